"""How fast is it here? Runs every benchmarks/bench_*.py, each in a process of its own.

``SIZE=small`` (or nothing) walks the code paths; ``SIZE=full`` takes an hour or more and gives figures.
Each benchmark prints JSON lines (``benchmarks/sizes.py``). They are kept in ``benchmarks/results/<size>/``,
and ``benchmarks/results/<size>.md`` shows all that are kept, each with the machine and the day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sizes import size
from tools.machine import description

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COLUMNS = {
    "name": "what",
    "n": "n",
    "seconds": "seconds",
    "per_second": "per second",
    "limit_per_second": "raw limit per second",
    "ratio": "ratio",
    "peak_mb": "peak MiB",
    "grew_mb": "grew MiB",
}


def main() -> None:
    """Run those named as arguments (``cutover``), or all; exit 1 when one failed or there is none."""
    wanted = sys.argv[1:] or ["*"]
    found = sorted({file for name in wanted for file in (ROOT / "benchmarks").glob(f"bench_{name}.py")})
    if not found:
        sys.exit("There is no benchmark of this name in benchmarks/.")
    codes = [run(file) for file in found]
    (RESULTS / f"{size()}.md").write_text("".join(page(RESULTS / size())), encoding="utf-8")
    sys.exit(max(codes))


def run(file: Path) -> int:
    """Run one, pass on what it prints, and keep it when the run succeeded; the exit code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SIZE": size()}
    lines = [json.dumps(description(), ensure_ascii=False)]
    with subprocess.Popen(
        [sys.executable, str(file)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as ran:
        for line in ran.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
            if line.startswith("{"):
                lines.append(line.strip())
    if ran.returncode == 0:
        kept = RESULTS / size() / f"{file.stem.removeprefix('bench_')}.jsonl"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ran.returncode


def page(folder: Path) -> Iterator[str]:
    """Everything that is kept, as Markdown."""
    yield f"# What was measured, SIZE={folder.name}\n\nWritten by `make bench`. "
    yield "A ratio holds against the raw limit of the same run: only ratios travel\nbetween machines.\n"
    for kept in sorted(folder.glob("*.jsonl")):
        machine, *figures = map(json.loads, kept.read_text(encoding="utf-8").splitlines())
        yield f"\n## {kept.stem}\n\n{' · '.join(f'{key} {value}' for key, value in machine.items())}\n\n"
        yield f"| {' | '.join(COLUMNS.values())} | besides |\n|---|{'---:|' * (len(COLUMNS) - 1)}---|\n"
        yield from map(row, figures)


def row(figures: dict[str, Any]) -> str:
    """One line of the table; what has no column of its own stands in the last."""
    own = " | ".join(shown(figures.get(column, "")) for column in COLUMNS)
    besides = ", ".join(f"{key} {shown(value)}" for key, value in figures.items() if key not in COLUMNS)
    return f"| {own} | {besides} |\n"


def shown(value: object) -> str:
    """A figure as people read it."""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    main()
