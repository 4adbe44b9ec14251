"""Is every branch of what moves money or decides a right run by a test, and nearly every other one?

Runs the tests with branch coverage and holds each file against its gate.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REST = 95.0
IN_FULL = (
    "exchange/ledger/",
    "exchange/money.py",
    "exchange/calendar.py",
    "enrollment/windows.py",
    "enrollment/elections.py",
    "enrollment/switching.py",
    "providers/reserves.py",
    "verifier/",
)


def main() -> None:
    """Run, measure, tell every file below its gate; exit 1 when there is one or a test failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "pytest", "-n", "2", "--quiet", "--complete"]
        command += ["--cov", "--cov-branch", "--cov-report=", f"--cov-report=json:{report}"]
        tests = subprocess.run(command, cwd=ROOT, check=False).returncode
        measured: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    low = list(below_their_gate(measured))
    print(f"all in all {measured['totals']['percent_covered']:.1f} %", *low, sep="\n")
    sys.exit(1 if tests or low else 0)


def below_their_gate(measured: dict[str, Any]) -> list[str]:
    """One line for each file that must be covered in full and is not, and one for the rest together."""
    lines = []
    covered = counted = 0
    for path, file in sorted(measured["files"].items()):
        summary = file["summary"]
        if path.startswith(IN_FULL):
            if summary["percent_covered"] < 100:
                lines.append(f"{path}: {summary['percent_covered']:.1f} % of 100 %, lines {file['missing_lines']}")
        else:
            covered += summary["covered_lines"] + summary.get("covered_branches", 0)
            counted += summary["num_statements"] + summary.get("num_branches", 0)
    if counted and 100 * covered / counted < REST:
        lines.append(f"the rest: {100 * covered / counted:.1f} % of {REST} %")
    return lines


if __name__ == "__main__":
    main()
