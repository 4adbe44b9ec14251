"""Does every benchmark still walk its whole path, and say what it found in the words of the table?

Sizes are small: what is measured here means nothing, and no figure is looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import bench

ROOT = Path(__file__).parents[1]
BENCHMARKS = sorted(file.stem for file in (ROOT / "benchmarks").glob("bench_*.py"))
ON_POSTGRESQL_ONLY = {"bench_year"}


CASES = [
    *(pytest.param(name, "sqlite") for name in BENCHMARKS if name not in ON_POSTGRESQL_ONLY),
    *(pytest.param(name, "postgresql", marks=pytest.mark.long) for name in BENCHMARKS),
]


@pytest.mark.parametrize(("name", "engine"), CASES)
def test_benchmark_walks_its_path(name: str, engine: str) -> None:
    environment = {**os.environ, "SIZE": "small", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), engine]

    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    figures = [json.loads(line) for line in ran.stdout.splitlines()]
    assert figures
    assert all(bench.row(one).startswith(f"| {one['name']} |") for one in figures)
