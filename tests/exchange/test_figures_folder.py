"""Does the folder in which web workers count end with its web server, however that ends?"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.web_process import PATIENCE_SECONDS, ROOT, free_port

SHARED = Path("/dev/shm")  # noqa: S108 - where the configuration puts it
PLACE = SHARED if SHARED.is_dir() else Path(tempfile.gettempdir())
NOBODY = 65_534


@dataclass(frozen=True)
class Server:
    """A web server, and what it has written."""

    master: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """Master and workers, as a machine short of memory or a container does."""
        os.killpg(self.master.pid, signal.SIGKILL)
        self.master.wait(PATIENCE_SECONDS)

    def has_booted(self, times: int) -> None:
        """Wait until so many workers have begun."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.log.read_bytes().count(b"Booting worker") < times:
            assert time.monotonic() < end, self.log.read_text("utf-8")
            time.sleep(0.05)

    def folders(self) -> list[Path]:
        """Those that are its own."""
        return list(PLACE.glob(f"exchange-figures-{self.master.pid}-*"))


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Our configuration with an application that asks for nothing; a session of its own, so that it dies as a whole."""
    log = folder / f"{free_port()}.log"
    with log.open("wb") as written:
        master = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "werkzeug.testapp:test_app"],
            cwd=ROOT,
            env={**os.environ, "WEB_BIND": f"unix:{log.with_suffix('.socket')}", "WEB_WORKERS": "1"},
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    server = Server(master, log)
    try:
        server.has_booted(1)
        yield server
    finally:
        if master.poll() is None:
            server.kill()
        for left in server.folders():
            shutil.rmtree(left)


@pytest.fixture
def looks_dead(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody holds, with something in it."""
    folder = Path(tempfile.mkdtemp(prefix="exchange-figures-1-", dir=PLACE))
    folder.joinpath("counter_7.db").touch()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class TestFolder:
    def test_of_a_killed_server_goes_when_another_starts_and_a_living_one_s_stays(self, tmp_path: Path) -> None:
        with serving(tmp_path) as living, serving(tmp_path) as killed:
            killed.kill()
            assert [len(one.folders()) for one in (living, killed)] == [1, 1]

            with serving(tmp_path) as another:
                assert [len(one.folders()) for one in (living, killed, another)] == [1, 0, 1]
                another.master.terminate()
                another.master.wait(PATIENCE_SECONDS)
                assert [len(one.folders()) for one in (living, another)] == [1, 0]

    def test_is_the_same_after_a_reload(self, tmp_path: Path) -> None:
        with serving(tmp_path) as server:
            before = server.folders()
            server.master.send_signal(signal.SIGHUP)
            server.has_booted(2)

            with serving(tmp_path):
                assert server.folders() == before != []

    def test_of_nobody_is_removed(self, tmp_path: Path, looks_dead: Path) -> None:
        with serving(tmp_path):
            assert not looks_dead.exists()

    def test_that_is_a_link_is_let_be_and_so_is_what_it_leads_to(self, tmp_path: Path) -> None:
        target = tmp_path / "somebody's"
        target.mkdir()
        target.joinpath("work").touch()
        link = PLACE / f"exchange-figures-1-link{os.getpid()}"
        link.symlink_to(target)
        try:
            with serving(tmp_path):
                assert link.is_symlink()
                assert target.joinpath("work").exists()
        finally:
            link.unlink()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away, and could remove them all")
    def test_of_another_user_is_let_be(self, tmp_path: Path, looks_dead: Path) -> None:
        os.chown(looks_dead, NOBODY, NOBODY)

        with serving(tmp_path):
            assert looks_dead.joinpath("counter_7.db").exists()
