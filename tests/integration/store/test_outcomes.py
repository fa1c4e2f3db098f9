"""Connections that go at the worst moment: no answer is wrong, nothing is lost or applied twice."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.decision import Receipt
from ledger.errors import Busy, InsufficientFunds, LogUnreadable, OutcomeUnknown
from ledger.store import committer, session
from ledger.store.tables import LOGS
from tests.integration.store.proxy import Loss, LossyProxy
from tests.unit.ledger.store.counter import Added, add, command, counter, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.database.roles import Database
    from ledger.book import Book
    from ledger.decision import Decision

    OpenBook = Callable[..., Book]

pytestmark = pytest.mark.fault


@pytest.fixture
def proxy(database: Database) -> Iterator[LossyProxy]:
    with LossyProxy(int(str(conninfo_to_dict(database.dsn("book_writer"))["port"]))) as proxy:
        yield proxy


@pytest.fixture
def book(open_book: OpenBook, database: Database, proxy: LossyProxy) -> Book:
    """A book whose appends go through the proxy."""
    return open_book(make_conninfo(database.dsn("book_writer"), host="127.0.0.1", port=proxy.port))


@pytest.mark.parametrize("key", ["k", None], ids=["with a key", "without a key"])
@pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.REQUEST])
def test_a_lost_commit_is_applied_once_and_answered(
    book: Book, proxy: LossyProxy, loss: Loss, key: str | None
) -> None:
    book.submit(add("a", 10))
    proxy.losses = [loss]
    receipt = book.submit(take("a", 10, key=key))
    assert [event.version for event in receipt.events] == [2]
    assert not receipt.replayed
    assert not proxy.losses
    assert proxy.commits_lost == (loss is Loss.ANSWER)
    assert book.state(counter("a")).total == 0
    assert list(receipt.events) == book.history(counter("a"))[1:]
    assert book.verify().ok


def test_every_outcome_of_a_lost_batch_is_the_first_one(book: Book, proxy: LossyProxy) -> None:
    book.submit(add("a", 10))
    proxy.losses = [Loss.ANSWER]

    async def run() -> list[Receipt | BaseException]:
        asked = [take("a", 10), take("a", 10), add("b", 1, key="k"), add("b", 1, key="k")]
        return await asyncio.gather(*map(book.asubmit, asked), return_exceptions=True)

    won, refused, keyed, again = asyncio.run(run())
    assert isinstance(won, Receipt)
    assert isinstance(refused, InsufficientFunds)
    assert isinstance(keyed, Receipt)
    assert isinstance(again, Receipt)
    assert (keyed.replayed, again.replayed) == (False, True)
    assert book.state(counter("b")).total == 1
    assert book.head() == 4


def test_control_running_a_lost_batch_again_blindly_applies_it_twice(
    book: Book, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.submit(add("a", 10))
    monkeypatch.setattr(book._committer._session, "stands", lambda _: False)
    proxy.losses = [Loss.ANSWER]
    book.submit(add("a", 10))
    assert proxy.commits_lost == 1
    assert book.state(counter("a")).total == 30


def test_commits_lost_one_after_the_other_are_found_out(book: Book, proxy: LossyProxy) -> None:
    for n in range(6):
        proxy.losses = [Loss.REQUEST, Loss.ANSWER]
        book.submit(add("a", 1, key=f"k{n}" if n % 2 else None))
    assert book.state(counter("a")).total == 6
    assert proxy.commits_lost == 6
    assert book.verify().ok


def test_what_cannot_be_found_out_is_unknown_and_nothing_else_is(
    book: Book, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "RECONNECT_DELAYS_S", (0.0, 0.0, 0.0))
    book.submit(add("a", 10))
    proxy.losses = [Loss.ANSWER]

    def unplug(decision: Decision) -> None:
        proxy._open = False  # whoever comes after this commit finds nobody
        decision.get(counter("a"))

    async def run() -> list[Receipt | BaseException]:
        asked = [command(unplug, counter("a")), take("a", 10), take("a", 10)]
        return await asyncio.gather(*map(book.asubmit, asked), return_exceptions=True)

    read, taken, refused = asyncio.run(run())
    assert isinstance(read, Busy)
    assert isinstance(taken, OutcomeUnknown)
    assert isinstance(refused, Busy)
    with pytest.raises(Busy):
        book.submit(add("a", 1))
    proxy.admit_connections()
    assert book.submit(add("a", 1)).position == 4
    assert book.state(counter("a")).total == 1


def test_a_backend_killed_in_the_middle_of_a_batch_costs_nobody_anything(
    open_book: OpenBook, database: Database
) -> None:
    book = open_book()
    book.submit(add("a", 10))
    killed: list[tuple[bool]] = []

    def kill(decision: Decision) -> None:
        decision.get(counter("a"))
        if not killed:
            with psycopg.connect(database.admin_dsn, autocommit=True) as other:
                killed.extend(
                    other.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND granted"
                    ).fetchall()
                )

    async def run() -> list[Receipt | BaseException]:
        asked = [add("a", 1), command(kill, counter("a")), add("a", 2), take("a", 100)]
        return await asyncio.gather(*map(book.asubmit, asked), return_exceptions=True)

    one, _, two, refused = asyncio.run(run())
    assert killed == [(True,)]
    assert isinstance(one, Receipt)
    assert isinstance(two, Receipt)
    assert isinstance(refused, InsufficientFunds)
    assert book.state(counter("a")).total == 13
    assert book.verify().ok


def test_a_command_that_always_loses_the_connection_fails_alone(
    open_book: OpenBook, database: Database
) -> None:
    book = open_book()

    def kill(decision: Decision) -> None:
        decision.record(counter("b"), Added(amount=1))
        with psycopg.connect(database.admin_dsn, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted"
            )

    async def run() -> list[Receipt | BaseException]:
        asked = [add("a", 1), command(kill, counter("b")), add("a", 2)]
        return await asyncio.gather(*map(book.asubmit, asked), return_exceptions=True)

    one, guilty, two = asyncio.run(run())
    assert isinstance(one, Receipt)
    assert isinstance(two, Receipt)
    assert isinstance(guilty, psycopg.OperationalError)
    assert book.state(counter("a")).total == 3
    assert book.state(counter("b")).total == 0


def test_a_lock_that_another_keeps_means_busy_for_a_while(
    open_book: OpenBook, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE", "SET lock_timeout = 50")
    book = open_book()
    with psycopg.connect(database.dsn("book_writer")) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (LOGS["log"].lock,))
        with pytest.raises(Busy):
            book.submit(add("a", 1))
    assert book.submit(add("a", 1)).position == 2


def test_a_decision_that_dawdles_under_the_lock_fails_alone(
    open_book: OpenBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE", "SET idle_in_transaction_session_timeout = 100")
    book = open_book()

    def dawdle(decision: Decision) -> None:
        time.sleep(0.3)
        decision.record(counter("b"), Added(amount=1))

    async def run() -> list[Receipt | BaseException]:
        asked = [add("a", 1), command(dawdle, counter("b")), add("a", 2)]
        return await asyncio.gather(*map(book.asubmit, asked), return_exceptions=True)

    one, guilty, two = asyncio.run(run())
    assert isinstance(one, Receipt)
    assert isinstance(guilty, psycopg.errors.IdleInTransactionSessionTimeout)
    assert isinstance(two, Receipt)
    assert (book.state(counter("a")).total, book.state(counter("b")).total) == (3, 0)


def test_a_log_cut_short_below_a_running_book_stops_it(
    open_book: OpenBook, database: Database
) -> None:
    book = open_book()
    book.submit(add("a", 1))
    with psycopg.connect(database.dsn("migrator"), autocommit=True) as owner:
        owner.execute("ALTER TABLE book.log DISABLE TRIGGER append_only")
        owner.execute("DELETE FROM book.log WHERE position = 2")
    for _ in range(2):
        with pytest.raises(LogUnreadable):
            book.submit(add("a", 1))
    assert book.head() == 1
