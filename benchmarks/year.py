"""What would a year of sixty million workers ask of how many servers, hour by hour?

Computed from unit costs that ``bench_year`` measured (seconds of processor, bytes of disk and of
write-ahead log for each piece of work), and from the habits below, which are guesses: change them
here. A program is one jurisdiction's exchange and one schema; programs share nothing, so servers add up.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HOURS: Final = 365 * 24
HOUR_SECONDS: Final = 3_600
RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one piece of work: seconds of processor (program and database), bytes of disk that stay, bytes of log."""

    cpu_seconds: float
    disk_bytes: float
    wal_bytes: float


@dataclass(frozen=True, slots=True)
class Habits:
    """How people behave in a year; shares are of all workers."""

    workers: int = 60_000_000
    lines_a_worker: int = 48  # four who pay in, each month
    report_days: int = 5  # in so many days of a month, eight hours each, all of it comes in
    switch: float = 0.12
    last_hour: float = 0.05  # choose in the last hour before the close
    pages_a_worker: int = 24
    pages_in_the_last_hour: int = 6  # before somebody chooses
    statements_a_year: int = 14  # each month, before and after the cutover
    lines_held: int = 6  # of a worker: a leaf each
    cutover_hours: int = 6


@dataclass(frozen=True, slots=True)
class Server:
    """What a server of a program may use: cores, and how full they may be in the worst hour."""

    cores: int = 16
    fullest: float = 0.6


@dataclass(frozen=True, slots=True)
class Year:
    """What comes of it: processor seconds in each hour, and what stays on disk."""

    load: tuple[float, ...]
    by_work: Mapping[str, float]
    disk_bytes: float
    wal_bytes: float

    @property
    def cpu_seconds(self) -> float:
        """Of the whole year."""
        return sum(self.load)

    @property
    def worst_hour(self) -> int:
        """The fullest hour, from 0."""
        return self.load.index(max(self.load))

    def servers(self, server: Server) -> int:
        """How many are needed for the fullest hour."""
        return -int(-max(self.load) // (server.cores * HOUR_SECONDS * server.fullest))


def simulate(costs: Mapping[str, Cost], habits: Habits) -> Year:
    """The year, hour by hour, from what each piece of work costs.

    ``costs`` holds ``line`` (a reported line, posted), ``switch``, ``entry`` (sealed), ``leaf`` (of a
    statement), ``page`` and ``choice``. Raises KeyError when one was not measured.
    """
    load = [0.0] * HOURS
    by_work: dict[str, float] = {}
    disk = wal = 0.0
    for name, hours, count in _work(habits):
        cost = costs[name]
        by_work[name] = by_work.get(name, 0.0) + cost.cpu_seconds * count
        disk += cost.disk_bytes * count
        wal += cost.wal_bytes * count
        for hour in hours:
            load[hour] += cost.cpu_seconds * count / len(hours)
    return Year(tuple(load), by_work, disk, wal)


def _work(habits: Habits) -> Iterator[tuple[str, range | list[int], float]]:
    """Each kind of work: its name, the hours in which it is done, how many pieces."""
    lines = habits.workers * habits.lines_a_worker / 12
    switches = habits.workers * habits.switch
    choosers = habits.workers * habits.last_hour
    close = 349 * 24 + 23  # the last hour of 15 December
    for month in range(12):
        days = range(month * 30, month * 30 + habits.report_days)
        hours = [day * 24 + hour for day in days for hour in range(9, 17)]
        yield "line", hours, lines
        yield "entry", hours, lines
        yield "leaf", range(month * 30 * 24, month * 30 * 24 + 24), habits.workers * habits.lines_held
    for start in (24 * 364, 0):  # before the cutover, and after it
        yield "leaf", range(start, start + habits.cutover_hours), habits.workers * habits.lines_held
    assert habits.statements_a_year == 14, "one each month, and one on either side of the cutover"
    yield "switch", range(habits.cutover_hours), switches
    yield "entry", range(habits.cutover_hours), switches
    yield "choice", [close], choosers
    yield "page", [close], choosers * habits.pages_in_the_last_hour
    yield "choice", range(close - 44 * 24, close), max(0.0, switches - choosers)
    yield "page", range(HOURS), habits.workers * habits.pages_a_worker


def measured(size: str) -> dict[str, Cost]:
    """What ``make bench`` kept: name of the work → its cost."""
    costs = {
        one["name"].removeprefix("cost_"): Cost(one["cpu_seconds"], one["disk_bytes"], one["wal_bytes"])
        for one in _kept(size, "year")
    }
    # A worker's own page, served by two processes that were busy throughout: at most a core each.
    # Written anew each time: hardly anybody comes back before something of his has changed.
    home = next(one for one in _kept(size, "pages") if one["name"] == "page_home_cold_postgresql")
    return {**costs, "page": Cost(2 / home["per_second"], 0, 0)}


def _kept(size: str, name: str) -> Iterator[dict[str, Any]]:
    lines = (RESULTS / size / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return map(json.loads, lines[1:])  # the first is the machine


def told(year: Year, habits: Habits, server: Server) -> Iterator[str]:
    """The year in words, a line each."""
    tib = 2**40
    yield f"{habits.workers:,} workers, {habits.lines_a_worker} lines each, {habits.switch:.0%} switch"
    yield f"processor: {year.cpu_seconds / HOUR_SECONDS:,.0f} core hours in the year"
    for name, seconds in sorted(year.by_work.items(), key=lambda item: -item[1]):
        yield f"  {name}: {seconds / HOUR_SECONDS:,.0f} core hours"
    worst = year.worst_hour
    yield (
        f"fullest hour: day {worst // 24 + 1} of the year, {worst % 24}:00,"
        f" {max(year.load) / HOUR_SECONDS:,.0f} cores busy throughout"
    )
    yield f"servers of {server.cores} cores, at most {server.fullest:.0%} full: {year.servers(server)}"
    yield f"disk: {year.disk_bytes / tib:,.1f} TiB more; write-ahead log: {year.wal_bytes / tib:,.1f} TiB"
    workers = habits.workers
    yield (
        f"a worker's year: {year.cpu_seconds / workers * 1_000:,.0f} ms of processor,"
        f" {year.disk_bytes / workers / 1_024:,.1f} KiB of disk, {year.wal_bytes / workers / 1_024:,.1f} KiB of log"
    )


def main() -> None:
    """``python benchmarks/year.py [small|full]``: the year from what was kept."""
    size = sys.argv[1] if len(sys.argv) > 1 else "full"
    habits = Habits()
    for line in told(simulate(measured(size), habits), habits, Server()):
        print(line)


if __name__ == "__main__":
    main()
