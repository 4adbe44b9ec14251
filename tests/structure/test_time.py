"""Who reads the clock, and in which zone does anything fire?"""

from __future__ import annotations

import ast

from tests.support.source import Module, below, source_modules

CLOCK = "exchange/clock.py"
SYSTEM_CLOCK = frozenset(
    f"{owner}.{reader}"
    for owner in ("datetime", "date", "datetime.datetime", "datetime.date", "dt.datetime", "dt.date")
    for reader in ("now", "utcnow", "today")
) | {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime"}
DATABASE_CLOCK = frozenset({"func.now", "func.clock_timestamp", "func.current_timestamp", "func.current_date"})
ZONED = frozenset(
    {"CronTrigger", "CronTrigger.from_crontab", "IntervalTrigger", "DateTrigger", "CalendarIntervalTrigger"}
)
SCHEDULERS = frozenset({"BlockingScheduler", "BackgroundScheduler"})
UTC = frozenset({"UTC", "datetime.UTC", "timezone.utc", "'UTC'"})


class TestClock:
    def test_of_the_system_is_read_in_one_module(self) -> None:
        others = [module for module in source_modules() if module.path != CLOCK]

        found = [
            f"{module.where(call)}: {name}"
            for module in others
            for name, call in module.calls()
            if name in SYSTEM_CLOCK | DATABASE_CLOCK
        ]
        passed_on = [
            f"{module.where(node)}: {ast.unparse(node)}"
            for module in others
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node) in SYSTEM_CLOCK
        ]

        assert found == []
        assert passed_on == []

    def test_is_not_imported_by_its_bare_name(self) -> None:
        """``from time import time`` would hide a reading."""
        found = [
            module.where(node)
            for module in source_modules()
            for imported, node in module.imports()
            if imported in {"time.time", "time.time_ns"}
        ]

        assert found == []

    def test_is_read_by_no_rule(self) -> None:
        """Only pages, jobs and commands ask for the time; operations are told ``at``."""
        found = [
            f"{module.where(call)}: {name}"
            for module in source_modules()
            for name, call in module.calls()
            if name in {"clock.now", "exchange.clock.now"} and not may_ask(module)
        ]

        assert found == []


class TestTrigger:
    def test_fires_by_utc(self) -> None:
        """In a zone with daylight saving a run between 00:00 and 01:00 is lost or repeated."""
        found = [
            f"{module.where(call)}: {name}"
            for module in source_modules()
            for name, call in module.calls()
            if (name.removeprefix("cron.") in ZONED | SCHEDULERS or is_cron_job(name, call))
            and zone_of(call) not in UTC
        ]

        assert found == []


def may_ask(module: Module) -> bool:
    """Pages, jobs, commands, the scheduler, sign-in, and the two files that put everything together."""
    parts = module.path.removesuffix(".py").split("/")
    if below(module.path, ("app.py", "demo.py")):
        return True
    return bool(
        {"pages", "web", "api", "jobs", "commands", "scheduler", "login", "demo", "local_gateway"} & set(parts[1:])
        or parts[-1].endswith(("_jobs", "_commands"))
    )


def is_cron_job(name: str, call: ast.Call) -> bool:
    """``add_job(f, "cron", …)`` makes a trigger without naming it."""
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    return name.endswith(("add_job", "scheduled_job")) and bool({"cron", "interval", "date"} & set(words))


def zone_of(call: ast.Call) -> str | None:
    """How the call's ``timezone=`` is written."""
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == "timezone"), None)
