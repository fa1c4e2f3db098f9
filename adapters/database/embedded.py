"""A PostgreSQL server of our own: made, started, adopted and stopped with the program that uses it.

The first process on a data directory owns the server and takes it along when it ends, by whatever
death. A second process shares the running server and never stops it. A server whose owner and
guard were both killed is adopted by the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg.conninfo import make_conninfo

from adapters.database.cluster import HOST, SUPERUSER, Cluster
from adapters.database.errors import DataDirectoryRefused, ServerFailed
from adapters.database.postmaster import POLL_S, PidFile, Postmaster, read_pid_file, serves

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from adapters.database.binaries import Binaries

CLAIM_S_MAX = 90.0
"""How long to wait for another process that is starting or stopping the same server."""
START_S_MAX = 300.0
"""Crash recovery is inside this: a long log takes its time."""
STOP_S_MAX = 60.0
"""How long a fast shutdown (with its checkpoint) may take before the immediate one."""
PASSING_PROBLEMS = (
    "Address already in use",  # somebody took the port between our look and the server's
    "is still in use",  # the last processes of a killed server have not noticed its death yet
)
PASSING_S_MAX = 30.0
DYING_S_MAX = 5.0


class EmbeddedPostgres:
    """A supervised server on one data directory; `with` starts and stops it."""

    def __init__(
        self,
        data_dir: Path | str,
        *,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        binaries: Binaries | None = None,
    ) -> None:
        """Prepare a server; nothing happens before `start`.

        Args:
            data_dir: the folder that holds everything (see `cluster.py`); made when missing.
            durable: False only where the data may be lost, in tests.
            settings: PostgreSQL settings, over ours.
            binaries: programs to use instead of those that `find_binaries` finds.
        """
        self._cluster = Cluster(Path(data_dir).absolute(), durable=durable, binaries=binaries)
        self._settings = dict(settings or {})
        self._owner_lock: int | None = None
        self._server: Postmaster | None = None
        self._known: PidFile | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def home(self) -> Path:
        """The folder that holds everything."""
        return self._cluster.home

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._running().pid

    @property
    def port(self) -> int:
        """The server's TCP port on the loopback address."""
        return self._running().port

    @property
    def owned(self) -> bool:
        """Whether this object supervises the server, or shares that of another process."""
        return self._server is not None

    @property
    def lost(self) -> bool:
        """Whether the server that this object supervises has ended by itself."""
        server = self._server
        return server is not None and server.gone()

    def password(self, user: str) -> str:
        """Give the password of a database user: generated once, kept in a file of ours."""
        return self._cluster.password(user)

    def dsn(self, dbname: str = "counterfoil", user: str = SUPERUSER) -> str:
        """Give the connection string of a database for one of the server's users."""
        return make_conninfo(
            host=HOST, port=self.port, dbname=dbname, user=user, password=self.password(user)
        )

    def start(self) -> None:
        """Start the server, adopt it, or share it; returns when it takes connections.

        Raises:
            BinariesMissing: no PostgreSQL programs were found.
            DataDirectoryRefused: another process holds the directory and its server never got
                ready, or the directory is of another major version.
            ServerFailed: PostgreSQL ended instead of getting ready.
        """
        if self._server is not None:
            if self._answers(self._server):
                return
            self._server.dismiss_guard()
            self._server = None
        self._cluster.make_folders()
        if self._claim():
            try:
                self._start_owned()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Stop the server if it is ours; one that another process owns stays.

        Raises:
            ServerFailed: the server outlived the immediate shutdown.
        """
        self._known = None
        if self._server is not None:
            ended = self._server.stop(signal.SIGINT, STOP_S_MAX) or self._server.stop(
                signal.SIGQUIT, STOP_S_MAX
            )
            if not ended:
                raise ServerFailed(
                    f"PostgreSQL {self._server.pid} does not stop: {self._cluster.log_tail()}"
                )
            self._server.dismiss_guard()
            self._server = None
        if self._owner_lock is not None:
            os.close(self._owner_lock)
            self._owner_lock = None

    def _answers(self, server: Postmaster) -> bool:
        """Say whether our server lives; one that was just killed may still look alive."""
        deadline = time.monotonic() + DYING_S_MAX
        while not server.gone() and time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.dsn(SUPERUSER)).close()
                return True
            time.sleep(POLL_S)
        return not server.gone()

    def _running(self) -> PidFile:
        assert self._known is not None, "the server has not been started"
        return self._known

    def _claim(self) -> bool:
        """Become the owner (True), or share the server of the present owner (False)."""
        deadline = time.monotonic() + CLAIM_S_MAX
        while self._owner_lock is None:
            self._owner_lock = _try_lock(self.home / "owner.lock")
            if self._owner_lock is None:
                found = self._living()
                if found is not None and found.ready:
                    self._known = found
                    return False
                _pause(deadline, f"another process holds {self.home}; its server is not ready")
        return True

    def _start_owned(self) -> None:
        """Start or adopt, once the guard of a former owner has finished its work."""
        deadline = time.monotonic() + CLAIM_S_MAX
        while (guard_lock := _try_lock(self.home / "guard.lock")) is None:
            _pause(deadline, f"a former server in {self.home} is still being stopped")
        try:
            if not self._adopt(guard_lock):
                self._start_fresh(guard_lock)
        finally:
            os.close(guard_lock)

    def _adopt(self, guard_lock: int) -> bool:
        """Take charge of an orphan; False when there is none, or it was on its way out."""
        found = self._living()
        if found is None:
            return False
        self._server = Postmaster(found.pid, self._cluster.pgdata, None, guard_lock)
        try:
            self._wait_ready(self._server, 0)
        except ServerFailed:
            if not self._server.gone():
                raise
            self._server.dismiss_guard()
            self._server = None
        return self._server is not None

    def _start_fresh(self, guard_lock: int) -> None:
        """Start a server process; problems that pass by themselves are waited out."""
        (self._cluster.pgdata / "postmaster.pid").unlink(missing_ok=True)
        deadline = time.monotonic() + PASSING_S_MAX
        while True:
            said = self._cluster.log_size()
            child = self._cluster.launch(self._cluster.choose_port(), self._settings)
            self._server = Postmaster(child.pid, self._cluster.pgdata, child, guard_lock)
            try:
                self._wait_ready(self._server, said)
            except ServerFailed as failure:
                passing = any(problem in str(failure) for problem in PASSING_PROBLEMS)
                if not passing or time.monotonic() > deadline:
                    raise
                self._server.dismiss_guard()
                self._server = None
                time.sleep(POLL_S)
            else:
                return

    def _living(self) -> PidFile | None:
        """Find the server that runs on the directory now, if one does."""
        found = read_pid_file(self._cluster.pgdata)
        if found is None or not serves(found.pid, self._cluster.pgdata):
            return None
        return found

    def _wait_ready(self, server: Postmaster, log_since: int) -> None:
        deadline = time.monotonic() + START_S_MAX
        while True:
            gone = server.gone()
            found = read_pid_file(self._cluster.pgdata)
            if found is not None and found.pid == server.pid and found.ready and not gone:
                self._known = found
                return
            if gone or time.monotonic() > deadline:
                raise ServerFailed(
                    f"PostgreSQL did not get ready: {self._cluster.log_tail(log_since)}"
                )
            time.sleep(POLL_S)


def _try_lock(path: Path) -> int | None:
    """Take the lock without waiting: a descriptor that holds it, or None where another has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _pause(deadline: float, complaint: str) -> None:
    if time.monotonic() > deadline:
        raise DataDirectoryRefused(complaint)
    time.sleep(POLL_S)
