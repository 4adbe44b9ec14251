"""Does everything hold: format, lint, types, arrows, and every test on both engines?

Runs every step even when an earlier one failed, and tells all failures at the end. ``--complete``
(what ``make test`` says) makes a missing PostgreSQL or Chromium a failure; without it, tests of
PostgreSQL are skipped where there is none, and journeys are left out. ``--long`` (``make test-long``)
runs the nightly counts alone, and shows what they counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
SCRIPTS = Path(PYTHON).parent
NO_TESTS = 5  # pytest's exit code when it found none: that is a failure too


@dataclass(frozen=True)
class Step:
    """One tool and what its failure means."""

    name: str
    command: list[str]
    how_to_mend: str


def steps(*, complete: bool, long: bool) -> list[Step]:
    """All steps, the quick ones first; or the long tests alone."""
    tests = [PYTHON, "-m", "pytest", "-n", os.environ.get("TEST_WORKERS", "2"), "--quiet"]
    if long:
        # What a long test prints is its count; "-rfEP" shows it for those that passed, too.
        counts = [*tests, "--complete", "--long", "-rfEP", "--durations=0", "--durations-min=1"]
        return [Step("counts", counts, "pytest -n0 --long NAME runs one")]
    tests += ["--complete"] if complete else ["-m", "not journey"]
    return [
        Step("format", [PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."], "make fix"),
        Step(
            "lint", [PYTHON, "-m", "ruff", "check", "--quiet", "--output-format=concise", "."], "make fix, then by hand"
        ),
        Step("arrows", [str(SCRIPTS / "lint-imports"), "--no-logo"], "lint-imports tells which import"),
        Step("types", [PYTHON, "-m", "mypy", "--no-error-summary", "."], "by hand"),
        Step("tests", tests, "pytest -n0 NAME runs one"),
    ]


def main() -> None:
    """Run all; exit 1 when any failed."""
    rows = []
    failed = []
    for step in steps(complete="--complete" in sys.argv[1:], long="--long" in sys.argv[1:]):
        print(f"--- {step.name}", flush=True)
        began = time.monotonic()
        code = subprocess.run(step.command, cwd=ROOT, check=False).returncode
        rows.append(f"{step.name:<8} {'ok' if code == 0 else 'FAILED':<7} {time.monotonic() - began:6.1f} s")
        if code:
            failed.append(f"{step.name} failed: {step.how_to_mend}")
    print("---", *rows, *failed, sep="\n", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
