"""Which exact versions run here? Resolves requirements/*.in and package.json into locks of hashes.

No lock names a registry: the machine's own settings say where packages come from.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OPTIONS = [
    "--universal",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
    "--quiet",
    "--python-version=3.11",
]


def main() -> None:
    """Write the four locks of Python and the one of the front end. ``--upgrade`` takes newer versions."""
    for name, constraints in (("build", []), ("run", []), ("test", ["-c", "requirements/run.txt"]), ("node", [])):
        files = [f"requirements/{name}.in", "-o", f"requirements/{name}.txt"]
        command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *constraints, *sys.argv[1:], *files]
        subprocess.run(command, cwd=ROOT, check=True)
    subprocess.run(["npm", "install", "--package-lock-only", "--ignore-scripts", "--silent"], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
