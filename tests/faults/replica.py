"""A standby of a server of ours: copied while it runs, followed, promoted when it is gone."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from adapters.database.binaries import find_binaries, server_user
from adapters.database.cluster import HOST, SUPERUSER, Cluster
from tests.faults.processes import family, kill_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.database.embedded import EmbeddedPostgres

READY_S_MAX = 60.0
END_S_MAX = 30.0
RECEIVES = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'"
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
FOREVER = "24h"


class Standby:
    """A second server that follows the first."""

    def __init__(self, primary: EmbeddedPostgres, home: Path) -> None:
        self.primary = primary
        self._cluster = Cluster(home, durable=True, binaries=None)
        self._cluster.make_folders()
        source = primary.dsn("postgres")
        copying = [find_binaries().program("pg_basebackup"), "-D", str(self._cluster.pgdata)]
        copying += ["-d", source, "-R", "-X", "stream", "-c", "fast"]
        subprocess.run(copying, check=True, capture_output=True)
        user = server_user()
        if user is not None:
            owner = f"{user.uid}:{user.gid}"
            subprocess.run(["chown", "-R", owner, str(self._cluster.pgdata)], check=True)
        self.port = self._cluster.choose_port()
        self._process = self._cluster.launch(self.port, {"wal_retrieve_retry_interval": "100ms"})
        self._await(RECEIVES, self.dsn())

    def dsn(self) -> str:
        """How the administrator reaches it."""
        password = self.primary.password(SUPERUSER)
        return make_conninfo(
            host=HOST, port=self.port, dbname="postgres", user=SUPERUSER, password=password
        )

    def either(self, dsn: str) -> str:
        """Whichever of the two servers takes writes, as a broker would name them."""
        ports = f"{self.primary.port},{self.port}"
        return make_conninfo(
            dsn, host=f"{HOST},{HOST}", port=ports, target_session_attrs="read-write"
        )

    def be_awaited(self) -> None:
        """Let every commit on the first server wait for this one."""
        self._tell(self.primary.dsn("postgres"), "SET synchronous_standby_names = '*'")

    def go_deaf(self) -> None:
        """Hear no more of the first server."""
        self._tell(self.dsn(), f"SET wal_retrieve_retry_interval = '{FOREVER}'")
        self._tell(self.dsn(), "SET primary_conninfo = ''")
        self._await(RECEIVES, self.dsn(), wanted=0)

    def await_waiting_commit(self) -> None:
        """Wait until somebody's commit waits for this server."""
        self._await(WAITS, self.primary.dsn("postgres"))

    def take_over(self) -> None:
        """Destroy the first server, disk and all, and take its place."""
        kill_all(family(self.primary.pid))
        shutil.rmtree(self.primary.home / "server" / "pgdata")
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SELECT pg_promote(wait => true)")

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(END_S_MAX)

    @staticmethod
    def _tell(dsn: str, setting: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")

    @staticmethod
    def _await(query: str, dsn: str, wanted: int = 1) -> None:
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn) as connection:
                found = connection.execute(query.encode()).fetchone()
                if found == (wanted,):
                    return
            time.sleep(0.02)
        raise AssertionError(f"it never comes true: {query}")


@contextlib.contextmanager
def standby_of(primary: EmbeddedPostgres, home: Path) -> Iterator[Standby]:
    """A standby that follows, and ends with the test."""
    standby = Standby(primary, home)
    try:
        yield standby
    finally:
        standby.close()
