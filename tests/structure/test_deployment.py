"""Do the files that start the program name commands and settings that there are?"""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from typing import Any

import pytest
import yaml
from flask import Flask

from exchange import clock, figures, outgoing_mail
from exchange.database import unit_of_work
from exchange.settings import SETTINGS
from tests.support.source import ROOT
from tests.support.worker_makers import Market

DEPLOY = ROOT / "deploy"
NAMES = {setting.name for setting in SETTINGS}
# What the web server's configuration, the image and the database's own image read.
OTHERS = {"WEB_BIND", "WEB_WORKERS", "PROGRAM_PASSWORD", "OWNER_PASSWORD", "POSTGRES_DB", "POSTGRES_PASSWORD"}
OTHERS |= {"PATH", "FLASK_APP", "PYTHONUNBUFFERED", "PGAPPNAME"}
UNITS = sorted(DEPLOY.glob("systemd/*.service"))
SERVICES: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
ALARMS: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))["groups"][0][
    "rules"
]
# Shown while there is something to show only: a cutover that is due, a provider that was checked, a job that ran.
OF_WHAT_MAY_BE_MISSING = {
    "pbx_cutover_switches": {"plan_year", "state"},
    "pbx_reserve_tier": {"tier"},
    "pbx_broken_rules": {"name"},
    "pbx_csp_reports_total": {"directive"},
    "pbx_request_seconds": {"endpoint", "method", "status", "le"},
}
HANDBOOK = ROOT.joinpath("docs", "operations.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """Every command line of a unit, the compose file and the handbook, without the path of its program."""
    lines = [line for unit in UNITS for line in re.findall(r"^ExecStart=(.*)$", unit.read_text("utf-8"), re.MULTILINE)]
    lines += [one for service in SERVICES.values() for one in words_of(service.get("command", []))]
    lines += re.findall(r"^(?:\.venv/bin/)?flask .*$", HANDBOOK, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def words_of(command: list[str]) -> list[str]:
    """A command of compose as lines; a shell's are several."""
    if command[:2] == ["sh", "-c"]:
        return command[2].split(" && ")
    return [shlex.join(command)] if command else []


@pytest.mark.parametrize("engine_name", ["sqlite"])
class TestCommand:
    def test_is_one_that_there_is(self, app: Flask) -> None:
        unknown = []
        for words in (words_after_flask(line) for line in commands() if line[0].endswith("flask")):
            answer = app.test_cli_runner().invoke(args=[*until_options(words), "--help"])
            if answer.exit_code or any(option not in answer.output for option in words if option.startswith("--")):
                unknown.append((words, answer.output))

        assert unknown == []
        assert len(commands()) > 8


def words_after_flask(line: list[str]) -> list[str]:
    """What is said to flask, without naming the program."""
    return line[3:] if line[1:2] == ["--app"] else line[1:]


def until_options(words: list[str]) -> list[str]:
    """The names of group and command: what comes before options and arguments."""
    names = []
    for word in words:
        if word.startswith("-") or not re.fullmatch(r"[a-z-]+", word):
            break
        names.append(word)
    return names[:2] if names[:1] in (["db"], ["keys"], ["job"], ["policy"], ["import"], ["cutover"]) else names[:1]


class TestUnit:
    def test_that_keeps_a_folder_keeps_others_out_of_it(self) -> None:
        # systemd gives the folder a mode of its own at each start, whatever it was installed with.
        keeping = [text for unit in UNITS if "\nStateDirectory=" in (text := unit.read_text(encoding="utf-8"))]

        assert len(keeping) == 2
        assert all("\nStateDirectoryMode=0700\n" in text for text in keeping)


class TestSetting:
    def test_of_the_environment_file_is_one(self) -> None:
        given = re.findall(r"^([A-Z_]+)=", (DEPLOY / "exchange.env").read_text(encoding="utf-8"), re.MULTILINE)

        assert set(given) <= NAMES
        assert {"SECRET_KEY", "TOTP_SECRETS", "RECOVERY_KEYS"} <= set(given)

    def test_of_the_compose_file_is_one(self) -> None:
        given = {name for service in SERVICES.values() for name in service.get("environment", {})}
        text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
        asked = set(re.findall(r"\$\{([A-Z_]+)", text))

        assert given | asked <= NAMES | OTHERS
        # A demonstration, a pooler and a web without TLS are none of this file's.
        assert NAMES - given == {"DEMO", "DATABASE_POOLER", "URL_SCHEME"}

    def test_of_the_image_is_one(self) -> None:
        given = re.findall(r"([A-Z_]+)=", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))

        assert set(given) <= NAMES | OTHERS


class TestProxy:
    """Nobody's slow line may hold a web worker: what stands in front takes requests and answers whole."""

    def test_hands_requests_on_and_takes_answers_as_a_whole(self) -> None:
        says = directives()

        assert says["proxy_request_buffering"] == says["proxy_buffering"] == "on"
        assert int(says["proxy_max_temp_file_size"].removesuffix("m")) >= 1024
        assert {"client_header_timeout", "client_body_timeout", "send_timeout"} <= set(says)

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_has_the_limits_of_program_and_web_server(self, app: Flask) -> None:
        says = directives()
        (answers_within,) = re.findall(
            r"^timeout = (\d+)$", (DEPLOY / "gunicorn.conf.py").read_text("utf-8"), re.MULTILINE
        )

        assert says["client_max_body_size"] == f"{app.config['MAX_CONTENT_LENGTH'] // 2**20}m"
        assert int(says["proxy_read_timeout"].removesuffix("s")) > int(answers_within)

    def test_passes_what_the_program_believes(self) -> None:
        passed = re.findall(r"proxy_set_header (\S+) (\S+);", (DEPLOY / "nginx.conf").read_text(encoding="utf-8"))

        assert dict(passed) == {
            "Host": "$host", "X-Forwarded-For": "$proxy_add_x_forwarded_for", "X-Forwarded-Proto": "$scheme",
        }  # fmt: skip


def directives() -> dict[str, str]:
    """What the proxy's configuration says, by its word."""
    lines = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    return dict(re.findall(r"^\s*([a-z_]+) ([^;{]+);", lines, re.MULTILINE))


class TestAlarm:
    """A rule over a figure or a label that is not there never fires, and nobody is told."""

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_asks_for_figures_and_labels_that_there_are(self, app: Flask) -> None:
        Market()
        labels = {name: set(found) for name, found in labels_shown().items()} | OF_WHAT_MAY_BE_MISSING
        unknown = [
            (rule["alert"], name, label)
            for rule in ALARMS
            for name, selector in re.findall(r"(pbx_[a-z_]+)(?:\{([^}]*)\})?", rule["expr"])
            for label in [*re.findall(r"([a-z_]+)(?:=|!)", selector), *re.findall(r"by \(([a-z_]+)\)", rule["expr"])]
            if label not in labels.get(re.sub(r"_(count|bucket)$", "", name), set())
        ]

        assert unknown == []
        assert len(ALARMS) > 10

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    @pytest.mark.parametrize(
        ("server", "minutes", "fires"), [(None, 31, False), ("mail:25", 31, True), ("mail:25", 29, False)]
    )
    def test_of_letters_that_wait_fires_only_where_they_are_to_be_sent(
        self, app: Flask, server: str | None, minutes: int, fires: bool
    ) -> None:
        app.config["MAIL_SERVER"] = server
        written_at = clock.now()
        with unit_of_work():
            outgoing_mail.write("ada@example.org", subject="Hello", body="Ada", at=written_at)
        shown = figures.text(written_at + timedelta(minutes=minutes))
        (expr,) = (rule["expr"] for rule in ALARMS if rule["alert"] == "LettersWait")

        told = [re.fullmatch(r"max\((pbx_[a-z_]+)\) (>|==) (\d+)", condition) for condition in expr.split(" and ")]

        assert all(holds(*one.groups(), shown=shown) for one in told if one) is fires
        assert None not in told

    def test_watches_each_figure_that_the_handbook_says_to(self) -> None:
        watched = {name for rule in ALARMS for name in re.findall(r"pbx_[a-z_]+?(?=_bucket|_count|\b)", rule["expr"])}
        rows = re.findall(r"^\| (.*pbx_.*) \| (.*) \|$", HANDBOOK, re.MULTILINE)

        assert len(rows) > 10
        assert [row for row, _when in rows if not watched & set(re.findall(r"pbx_[a-z_]+", row))] == [
            "`pbx_windows_open` by kind"
        ]

    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_gives_no_figure_a_label_that_prometheus_takes_for_itself(self, app: Flask) -> None:
        taken = {"job", "instance"}

        assert {name: found & taken for name, found in labels_shown().items() if found & taken} == {}


def holds(name: str, sign: str, border: str, *, shown: str) -> bool:
    """Whether the largest value of a figure without labels is above the border, or is it."""
    largest = max(float(value) for value in re.findall(rf"^{name} (.*)$", shown, re.MULTILINE))
    return largest > float(border) if sign == ">" else largest == float(border)


def labels_shown() -> dict[str, set[str]]:
    """The labels of each figure, as the program shows them."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(pbx_[a-z_]+)(?:\{(.*)\})? ", figures.text(clock.now()), re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'([a-z_]+)="', labels))
    return found


class TestHandbook:
    @pytest.mark.parametrize("engine_name", ["sqlite"])
    def test_names_every_figure_and_no_other(self, app: Flask) -> None:
        named = set(re.findall(r"`(pbx_[a-z_]+)`", HANDBOOK))

        assert set(figures.names()) <= named
        assert named - set(figures.names()) <= {"pbx_request_seconds", "pbx_csp_reports_total"}

    def test_leads_to_files_that_there_are(self) -> None:
        pages = [ROOT / "docs" / "operations.md", *ROOT.glob("docs/runbooks/*.md")]
        missing = [
            f"{page.name}: {target}"
            for page in pages
            for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
            if not (page.parent / target).exists()
        ]

        assert len(pages) > 5
        assert missing == []
