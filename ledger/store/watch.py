"""The head, as followers watch it: woken by own appends, notifications and a slow poll."""

from __future__ import annotations

import contextlib
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.sql import SQL, Identifier

from ledger.store.dial import dial
from ledger.store.limits import POLL_S
from ledger.store.session import KEEPALIVE

if TYPE_CHECKING:
    from ledger.store.dial import Dsn
    from ledger.store.tables import Log

HEAD: Final = "SELECT coalesce(max(position), 0) FROM {log}"


class Head:
    """The newest position that this process knows of. It only grows."""

    def __init__(self) -> None:
        self._position = 0
        self._moved = Condition()

    def advance(self, position: int) -> None:
        """Wake whoever waits for this position."""
        with self._moved:
            if position > self._position:
                self._position = position
                self._moved.notify_all()

    def wait(self, position: int, timeout_s: float) -> int:
        """Wait until the head is at the position or beyond, or for `timeout_s`; return the head."""
        if self._position < position:
            with self._moved:
                self._moved.wait_for(lambda: self._position >= position, timeout_s)
        return self._position


class Watch:
    """Listens for the appends of other processes. A lost notification costs one poll, no event."""

    def __init__(self, dsn: Dsn, log: Log, head: Head) -> None:
        self._dsn = dsn
        self._listen = SQL("LISTEN {}").format(Identifier(log.channel))
        self._select_head = log.sql(HEAD)
        self._head = head
        self._closing = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin to listen, once."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="book-watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(psycopg.Error):
                self._follow()
            self._closing.wait(POLL_S)

    def _follow(self) -> None:
        with dial(self._dsn, **KEEPALIVE) as connection:
            connection.execute(self._listen)
            while not self._closing.is_set():
                row = connection.execute(self._select_head).fetchone()
                assert row is not None
                self._head.advance(row[0])
                for note in connection.notifies(timeout=POLL_S):
                    self._head.advance(int(note.payload))
                    if self._closing.is_set():
                        break
