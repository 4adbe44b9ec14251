"""Where does a test's PostgreSQL come from, and who stops it?

One private cluster for a whole run, made by the distribution's own ``initdb`` in a folder that is
thrown away, on a free loopback port. The first test process that asks starts it, under a file lock;
the process that began the run stops it. ``TEST_DATABASE_URL`` (a server on which databases may be
created) wins when it is set.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

RUN_FOLDER = "EXCHANGE_TEST_RUN"  # set by the process that begins the run, inherited by its workers
ENOUGH_BYTES = 1 << 30

# Nothing here outlives the run, so nothing waits for a disk.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "timezone": "UTC",
    "lc_messages": "C",
}


class NoPostgres(Exception):
    """There is no PostgreSQL server program on this machine; the message says how to get one."""


def programs() -> Path:
    """The folder that holds ``initdb`` and ``pg_ctl``, newest version first.

    Looked for where Debian, Homebrew and PATH keep them. Raises ``NoPostgres``.
    """
    brew = os.environ.get("HOMEBREW_PREFIX", "/opt/homebrew")
    roots = {"/usr/lib/postgresql": "*/bin", f"{brew}/opt": "postgresql@*/bin", "/usr/local/opt": "postgresql@*/bin"}
    found = [
        folder for root, below in roots.items() for folder in Path(root).glob(below) if (folder / "initdb").exists()
    ]
    if found:
        return max(found, key=lambda folder: int("".join(filter(str.isdigit, folder.parent.name)) or 0))
    initdb = shutil.which("initdb")
    if initdb is None:
        raise NoPostgres("PostgreSQL's server programs are missing: run `make test`, which installs them.")
    return Path(initdb).resolve().parent


def begin_run() -> Path:
    """Make this run's folder, tell the workers about it, and clear up after runs that were killed."""
    if RUN_FOLDER in os.environ:
        return Path(os.environ[RUN_FOLDER])
    home = _roomy_folder()
    for folder in home.glob("exchange-tests-*-*"):
        if not _is_alive(int(folder.name.split("-")[2])):
            stop(folder)
    folder = Path(tempfile.mkdtemp(prefix=f"exchange-tests-{os.getpid()}-", dir=home))
    folder.chmod(0o755)  # the server runs as somebody else when the tests run as root
    os.environ[RUN_FOLDER] = str(folder)
    return folder


def end_run(folder: Path) -> None:
    """Stop what this run started and remove its folder."""
    os.environ.pop(RUN_FOLDER, None)
    stop(folder)


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """One process of the run at a time."""
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server on which tests make and drop databases."""

    url: URL  # of a database from which others can be created

    def database(self, name: str) -> URL:
        """The address of a database on it, for SQLAlchemy with psycopg 3."""
        return self.url.set(drivername="postgresql+psycopg", database=name)

    def create(self, name: str, *, template: str = "template1") -> None:
        """Make ``name`` anew as a copy of ``template``.

        Copying files takes 25 ms for 60 tables, half of what copying through the log takes.
        """
        with self._connection() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )

    def drop(self, name: str) -> None:
        """Remove ``name``, whoever is still connected."""
        with self._connection() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _connection(self) -> psycopg.Connection:
        address = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(address, autocommit=True)


def server(folder: Path) -> Server:
    """The run's server, started now if this is the first to ask. Raises ``NoPostgres``."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        return Server(make_url(given))
    with locked(folder, "postgres"):
        address = folder / "postgres.url"
        if not address.exists():
            address.write_text(start(folder / "postgres", SETTINGS))
        return Server(make_url(address.read_text()))


def start(data: Path, settings: Mapping[str, str]) -> str:
    """Make a cluster in ``data`` and start it on a free loopback port; the address of its first database."""
    binaries = programs()
    owner = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    data.mkdir(mode=0o700)
    if owner:
        shutil.chown(data, owner, owner)
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=owner, cwd="/")
    port = free_port()
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    log = data / "server.log"
    command = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(log), "-o", f"-p {port} {options}", "start"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=owner, cwd="/")
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


def stop(folder: Path) -> None:
    """Stop the cluster in ``folder / "postgres"`` and remove the folder."""
    data = folder / "postgres"
    if (data / "postmaster.pid").exists():
        owner = "postgres" if os.geteuid() == 0 else None
        command = [str(programs() / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop"]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=owner, cwd="/")
    # A database that is being stopped may still write; try again rather than leave half a folder.
    for _ in range(5):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.2)


def _roomy_folder() -> Path:
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own with a random name is made in it
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ENOUGH_BYTES:
        return memory
    return Path(tempfile.gettempdir())


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
