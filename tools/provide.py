"""Are PostgreSQL and Chromium here for the tests, and if not, may they be installed?

Through the distribution's own packages: apt on Debian and its kin, Homebrew on a Mac. Where that is
not allowed, one sentence says what to type, and the exit code is 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support import browser, postgres

APT = {"PostgreSQL": "postgresql", "Chromium": "chromium"}
BREW = {"PostgreSQL": ["postgresql@15"], "Chromium": ["--cask", "chromium"]}


def missing() -> list[str]:
    """What the tests need and this machine lacks."""
    lacking = []
    if "TEST_DATABASE_URL" not in os.environ:
        try:
            postgres.programs()
        except postgres.NoPostgres:
            lacking.append("PostgreSQL")
    try:
        browser.program()
    except browser.NoBrowser:
        lacking.append("Chromium")
    return lacking


def main() -> None:
    """Install what is missing, or say why not."""
    lacking = missing()
    if not lacking:
        return
    print(f"Installing {' and '.join(lacking)} for the tests", flush=True)
    if shutil.which("apt-get"):
        _install_by_apt(lacking)
    elif shutil.which("brew"):
        for name in lacking:
            subprocess.run(["brew", "install", "--quiet", *BREW[name]], check=False)
    still = missing()
    if still:
        sys.exit(_advice(still))


def _install_by_apt(lacking: list[str]) -> None:
    prefix = _as_root()
    if prefix is None:
        return
    environment = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive"]
    packages = [APT[name] for name in lacking]
    install = [*environment, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    subprocess.run([*environment, "apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)


def _as_root() -> list[str] | None:
    """How to start a program as root: nothing to add, sudo, or not at all."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    may = sys.stdin.isatty() or subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0
    return ["sudo"] if may else None


def _advice(still: list[str]) -> str:
    if shutil.which("apt-get"):
        command = "sudo apt-get install " + " ".join(APT[name] for name in still)
    elif shutil.which("brew"):
        command = " && ".join("brew install " + " ".join(BREW[name]) for name in still)
    else:
        command = "your system's package manager"
    names = " and ".join(still)
    return (
        f"The tests need {names}, and this user may not install it here: use {command} once, "
        "or point TEST_DATABASE_URL at a server and CHROMIUM at a program; `make check` does without."
    )


if __name__ == "__main__":
    main()
