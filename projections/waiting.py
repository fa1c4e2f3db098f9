"""Reads that wait for what was just written: how far the read models are, as readers watch it."""

from __future__ import annotations

import contextlib
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg
from psycopg.sql import SQL, Identifier

from ledger.store.dial import dial
from ledger.store.limits import POLL_S
from ledger.store.session import KEEPALIVE
from ledger.store.watch import Head
from projections.log import head
from projections.rows import LIVE
from projections.runner import CHANNEL

if TYPE_CHECKING:
    from psycopg import Connection

    from ledger.store.dial import Dsn

POSITION: Final = """
SELECT coalesce(max(notification_id), 0) FROM read.tracking WHERE application_name = %s
"""


class Lag(msgspec.Struct, frozen=True):
    """How far the read models are behind the log."""

    position: int
    head: int

    @property
    def behind(self) -> int:
        """Events that are recorded and not yet folded."""
        return self.head - self.position


def position(connection: Connection[Any]) -> int:
    """Return the position up to which the read models are folded."""
    row = connection.execute(POSITION, (LIVE,)).fetchone()
    assert row is not None, "an aggregate has a row"
    return int(row[0])


def lag(connection: Connection[Any]) -> Lag:
    """Return how far the read models are behind; the connection's role reads the log too."""
    return Lag(position(connection), head(connection))


class ReadPosition:
    """Watches how far the read models are. A lost notification costs one poll."""

    def __init__(self, dsn: Dsn) -> None:
        """Prepare; `start` begins to watch.

        Args:
            dsn: any role that reads the schema `read`.
        """
        self._dsn = dsn
        self._head = Head()
        self._closing = Event()
        self._thread = Thread(target=self._run, name="read-position", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait_for(self, position: int, timeout_s: float) -> bool:
        """Wait until what stands at the position is in the read models; False: not in time."""
        return self._head.wait(position, timeout_s) >= position

    def _run(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(psycopg.Error):
                self._follow()
            self._closing.wait(POLL_S)

    def _follow(self) -> None:
        with dial(self._dsn, **KEEPALIVE) as connection:
            connection.execute(SQL("LISTEN {}").format(Identifier(CHANNEL)))
            while not self._closing.is_set():
                self._head.advance(position(connection))
                for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                    pass
