"""How does the operator bring published registers in from the command line?

``flask import irs-eo FILE…`` and ``flask import qhp-landscape FILE…``. Each file is one unit of work:
all of it or none, and the files before a refused one stay.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Final

import click
from flask.cli import with_appcontext

from exchange import clock
from exchange.database import in_unit_of_work
from exchange.errors import Refusal
from exchange.identity.actors import system_actor
from exchange.intake import Problems
from exchange.upsert import Written
from providers.irs_register import RegisterImport, import_register
from providers.qhp_landscape import LandscapeImport, import_landscape, plan_year_of

_FILES: Final = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
_TOLD_EVERY_SECONDS: Final = 0.5


class _Progress:
    """Tells the rows read and the rate, now and then, on the error stream."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began = time.monotonic()
        self._told = self.began

    def __call__(self, rows: int) -> None:
        now = time.monotonic()
        if now - self._told >= _TOLD_EVERY_SECONDS:
            self._told = now
            click.echo(f"{self.name}: {rows:,} rows, {self.rate(rows):,} a second …", err=True)

    def rate(self, rows: int) -> int:
        return round(rows / max(time.monotonic() - self.began, 0.001))

    def end(self, rows: int) -> str:
        return f"{self.name}: {rows:,} rows in {time.monotonic() - self.began:.1f} s ({self.rate(rows):,} a second)"


@click.command("irs-eo")
@_FILES
@with_appcontext
def irs_eo_command(files: tuple[Path, ...]) -> None:
    """Import files of the IRS register of exempt organizations (CSV, plain or gzip)."""
    for path in files:
        progress = _Progress(path.name)
        found = _imported(path, progress)
        click.echo(f"{progress.end(found.rows)}: {_words(found.written)}; {found.problems.count:,} left out")
        _tell(found.problems)


@click.command("qhp-landscape")
@click.option("--year", type=click.IntRange(2000, 2099), help="The plan year, where a file's name does not say it.")
@_FILES
@with_appcontext
def qhp_landscape_command(files: tuple[Path, ...], year: int | None) -> None:
    """Import landscape files of health plans (CSV, plain or gzip)."""
    for path in files:
        progress = _Progress(path.name)
        found = _landscape(path, progress, year)
        click.echo(f"{progress.end(found.rows)}, plan year {found.plan_year}; {found.problems.count:,} left out")
        for what, written in (("plans", found.plans), ("premiums", found.premiums), ("counties", found.counties)):
            click.echo(f"  {what}: {_words(written)}")
        _tell(found.problems)


def _imported(path: Path, progress: _Progress) -> RegisterImport:
    def work() -> RegisterImport:
        return import_register(path, by=system_actor("command:import-irs-eo"), at=clock.now(), progress=progress)

    try:
        return in_unit_of_work(work)
    except Refusal as refusal:
        raise _refused(path, refusal) from refusal


def _landscape(path: Path, progress: _Progress, year: int | None) -> LandscapeImport:
    by = system_actor("command:import-qhp-landscape")

    def work(plan_year: int) -> LandscapeImport:
        return import_landscape(path, plan_year=plan_year, by=by, at=clock.now(), progress=progress)

    try:
        return in_unit_of_work(partial(work, year or plan_year_of(path)))
    except Refusal as refusal:
        raise _refused(path, refusal) from refusal


def _refused(path: Path, refusal: Refusal) -> click.ClickException:
    return click.ClickException(f"{path.name}: {refusal} Nothing of this file was imported.")


def _words(written: Written) -> str:
    return f"{written.added:,} added, {written.changed:,} changed, {written.unchanged:,} unchanged"


def _tell(problems: Problems) -> None:
    for problem in problems.kept:
        click.echo(f"  {problem}", err=True)
    if problems.count > len(problems.kept):
        click.echo(f"  … and {problems.count - len(problems.kept):,} more", err=True)


IMPORTERS: Final[list[click.Command]] = [irs_eo_command, qhp_landscape_command]
COMMANDS: Final[list[click.Command]] = []
