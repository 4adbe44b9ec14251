"""How fast is it here? Runs every benchmarks/bench_*.py, each in a process of its own.

Each prints JSON lines with name, n, seconds, per_second, peak_mb, limit_per_second, ratio.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Run those named as arguments (``cutover``), or all; exit 1 when one failed or there is none."""
    wanted = sys.argv[1:] or ["*"]
    found = sorted({file for name in wanted for file in (ROOT / "benchmarks").glob(f"bench_{name}.py")})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    codes = [
        subprocess.run([sys.executable, str(file)], cwd=ROOT, env=environment, check=False).returncode for file in found
    ]
    if not found:
        sys.exit("There is no benchmark of this name in benchmarks/.")
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
