"""How is the web served?  ``gunicorn --config deploy/gunicorn.conf.py`` reads this; the rest is gunicorn's default.

Sync workers, two for each core: a request is short, or waits for the database. The program is loaded by each worker
after the fork, so that no connection is shared and a reload (SIGHUP) brings new code. SIGTERM lets requests finish.
"""

from __future__ import annotations

import multiprocessing
import os
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

_figures = tempfile.mkdtemp(prefix="exchange-figures-", dir=worker_tmp_dir)
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
