"""On what machine was something measured, and when? Nothing that names the machine or a place on it."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.support import postgres

SYNCS = 200


def description() -> dict[str, str]:
    """Date (UTC), processor and cores, memory, disk, system, Python, SQLite and PostgreSQL."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{_processor()}, {os.cpu_count()} cores",
        "RAM": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "disk": _disk(),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": _postgresql(),
    }


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", listed.read_text(), re.MULTILINE) if listed.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _disk() -> str:
    """What a commit waits for: how many small writes a second reach the disk where benchmarks keep their databases."""
    with tempfile.TemporaryFile(buffering=0) as file:
        began = time.perf_counter()
        for _ in range(SYNCS):
            file.write(bytes(8192))
            os.fsync(file.fileno())
    return f"{SYNCS / (time.perf_counter() - began):,.0f} fsync/s"


def _postgresql() -> str:
    try:
        program = postgres.programs() / "postgres"
    except postgres.NoPostgres:
        return "none"
    told = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"[0-9]+(\.[0-9]+)+", told)
    return found[0] if found else told.strip()
