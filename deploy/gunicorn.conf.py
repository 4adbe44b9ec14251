"""How is the web served?  ``gunicorn --config deploy/gunicorn.conf.py`` reads this; the rest is gunicorn's default.

Sync workers, two for each core: a request is short, or waits for the database. The program is loaded by each worker
after the fork, so that no connection is shared and a reload (SIGHUP) brings new code. SIGTERM lets requests finish.
"""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

wsgi_app = "app:create_app()"
bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")
workers = int(os.environ.get("WEB_WORKERS") or 2 * multiprocessing.cpu_count())
worker_class = "sync"
preload_app = False

# Longer than the database's own limit for a statement (DATABASE_TIMEOUTS), so that the reader gets an answer.
timeout = 45
graceful_timeout = 40
keepalive = 2
# What grows in a worker over weeks is given back; not all of them on the same day.
max_requests = 20_000
max_requests_jitter = 5_000
_memory = Path("/dev/shm")  # noqa: S108 - where each worker's sign of life touches no disk
worker_tmp_dir = str(_memory) if _memory.is_dir() else None

# Nobody talks to gunicorn but by signals: its socket in $HOME would be one more door, and two webs would share it.
control_socket_disable = True

# The program logs each request itself, without its address: see exchange/web/log.py.
accesslog = None
errorlog = "-"
loglevel = "info"

# The folder in which workers count for /metrics. Master and workers hold it locked, and the lock ends with the last of
# them, however he ends: nobody holds a folder whose server was killed, and the next one to start removes it.
_PREFIX = "exchange-figures-"
_OF_A_MASTER = re.compile(rf"{_PREFIX}\d+-\w+")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def _own_folder() -> str:
    """This master's: a new one, locked; after a reload the one it has."""
    present = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    own = f"{_PREFIX}{os.getpid()}-"
    if Path(present).name.startswith(own) and Path(present).is_dir():
        return present
    while True:
        made = tempfile.mkdtemp(prefix=own, dir=worker_tmp_dir)
        with contextlib.suppress(FileNotFoundError):
            held = os.open(made, _FOLDER)  # closed by nobody: it ends with the process
            fcntl.flock(held, fcntl.LOCK_EX)
            if Path(made).is_dir():
                return made
        # Whoever starts at the same moment took it for a dead one's before it was locked.


def _remove_those_of_the_dead() -> None:
    """Folders of masters of this user that nobody holds any more; never what a link leads to."""
    for folder in Path(worker_tmp_dir or tempfile.gettempdir()).iterdir():
        if _OF_A_MASTER.fullmatch(folder.name):
            with contextlib.suppress(OSError):  # it is no folder, another's, or held
                _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    opened = os.open(folder, _FOLDER)
    try:
        if os.fstat(opened).st_uid == os.geteuid():
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    finally:
        os.close(opened)


_remove_those_of_the_dead()
_figures = _own_folder()
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _figures


def post_fork(_server: Any, worker: Any) -> None:
    """Let the database's server show which process a connection is."""
    os.environ.setdefault("PGAPPNAME", f"exchange web on {socket.gethostname()}:{worker.pid}"[:63])


def child_exit(_server: Any, worker: Any) -> None:
    """What the worker counted stays in the sums; its gauges go."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # the library leaves it untyped


def on_exit(_server: Any) -> None:
    """The figures end with the web server."""
    shutil.rmtree(_figures, ignore_errors=True)
