"""What a writer sees when the lock is its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from ledger.ids import request_key
from ledger.store import session
from ledger.store.chain import Link, Row
from ledger.store.session import Session
from ledger.store.tables import LOGS
from tests.unit.ledger.store.counter import counter

if TYPE_CHECKING:
    from adapters.database.roles import Database
    from ledger.store.session import Seen

LOG = LOGS["log"]
EMPTY = Link(0, bytes(32), 0)
KEY = request_key("k")
ROW = Row(1, counter("a").id, 1, "toy.added", b"{}", 1_000_000, KEY, bytes(32))
WAITING = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted
"""


def seen_by_who_waited(database: Database) -> Seen:
    """One writer waits for the lock while another appends; return what the first one sees."""
    ahead, behind = (Session(database.dsn("book_writer"), LOG) for _ in range(2))
    with ThreadPoolExecutor() as pool:
        ahead.begin(EMPTY, [])
        waiting = pool.submit(behind.begin, EMPTY, [request_key("another"), KEY])
        with psycopg.connect(database.dsn("book_writer"), autocommit=True) as watcher:
            while watcher.execute(WAITING, (LOG.lock,)).fetchone() != (1,):
                assert not waiting.done(), "nobody held it up"
        ahead.copy_in(iter([[ROW]]))
        ahead.commit([])
        seen = waiting.result()
    ahead.close()
    behind.close()
    return seen


@pytest.fixture
def _one_look_before_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = session.BEGIN_AND_LOOK.replace("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ")
    monkeypatch.setattr(session, "BEGIN_AND_LOOK", begin)


def test_who_waited_for_the_lock_sees_what_was_appended_meanwhile(database: Database) -> None:
    seen = seen_by_who_waited(database)
    assert seen.since == [ROW]
    assert seen.keyed == [ROW]


@pytest.mark.usefixtures("_one_look_before_the_lock")
def test_control_a_look_of_before_the_lock_misses_it(database: Database) -> None:
    seen = seen_by_who_waited(database)
    assert seen.since == []
    assert seen.keyed == []
