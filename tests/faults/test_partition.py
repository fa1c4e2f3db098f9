"""Two writers and a partition between: the other goes on, and the one cut off never guesses."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.errors import Busy, OutcomeUnknown
from ledger.store import committer, session
from ledger.store.limits import LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS
from tests.faults.load import check_wallets, deposit, open_book, read_log
from tests.faults.network import READY_S_MAX, Moment, SilentProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.database.roles import Database
    from ledger.book import Book

pytestmark = pytest.mark.fault

CUT_OFF = 7
OTHERS = range(100, 130)
QUICK_IDLE_MS, QUICK_LOCK_MS = 1_000, 1_500
QUICK = (
    f"SET idle_in_transaction_session_timeout = {QUICK_IDLE_MS}; SET lock_timeout = {QUICK_LOCK_MS}"
)
ENDLESS = "SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0"
BOUNDED_WAIT_S = 3.0
TAKEOVER_S_MAX = 2 * LOCK_TIMEOUT_MS / 1000


@pytest.fixture
def proxy(database: Database) -> Iterator[SilentProxy]:
    with SilentProxy(int(str(conninfo_to_dict(database.dsn("book_writer"))["port"]))) as proxy:
        yield proxy


def behind(proxy: SilentProxy, database: Database) -> str:
    return make_conninfo(database.dsn("book_writer"), host="127.0.0.1", port=proxy.port)


def insist(book: Book, number: int) -> None:
    """Submit until the book takes it: while another holds the lock, it is busy."""
    deadline = time.monotonic() + TAKEOVER_S_MAX
    while True:
        try:
            book.submit(deposit(number))
        except Busy:
            assert time.monotonic() < deadline, "the lock is never free"
        else:
            return


@pytest.mark.parametrize("pace", ["quick", pytest.param("real", marks=pytest.mark.drill)])
@pytest.mark.parametrize("moment", list(Moment), ids=lambda each: each.name.lower())
def test_a_writer_cut_off_holds_nobody_up_and_hears_its_one_outcome(
    database: Database,
    proxy: SilentProxy,
    tell: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    moment: Moment,
    pace: str,
) -> None:
    monkeypatch.setattr(committer, "RECONNECT_DELAYS_S", (0.0, 0.0))
    if pace == "quick":
        monkeypatch.setattr(session, "PATIENCE", QUICK)
        monkeypatch.setattr(session, "IDLE_IN_TRANSACTION_MS", QUICK_IDLE_MS)
    mine, other = open_book(behind(proxy, database)), open_book(database.dsn("book_writer"))
    mine.submit(deposit(0))
    with ThreadPoolExecutor() as callers:
        proxy.fall_silent_at(moment)
        waiting = callers.submit(mine.submit, deposit(CUT_OFF))
        assert proxy.silent.wait(READY_S_MAX)
        begun = time.monotonic()
        insist(other, OTHERS[0])
        takeover_s = time.monotonic() - begun
        for number in OTHERS[1:]:
            other.submit(deposit(number))
        monkeypatch.setitem(session.KEEPALIVE, "connect_timeout", 1)
        proxy.cut()
        told = waiting.exception(READY_S_MAX)
    committed = read_log(other).how_often(CUT_OFF)
    proxy.heal()
    answers = [book.submit(deposit(CUT_OFF)) for book in (other, mine)]
    standing = read_log(other)
    tell(
        acknowledged=len(OTHERS) + 2,
        lost=sum(standing.how_often(n) == 0 for n in (0, CUT_OFF, *OTHERS)),
        duplicated=sum(times > 1 for times in standing.times.values()),
        recovery_s=f"{takeover_s:.2f}",
    )
    assert isinstance(told, OutcomeUnknown if moment is Moment.COMMITTING else Busy)
    assert committed == (moment is Moment.COMMITTING)
    assert answers[0].events == answers[1].events
    assert set(standing.times.values()) == {1}
    assert mine.head() == other.head()
    check_wallets(other, standing)
    mine.close()
    other.close()


@pytest.mark.parametrize("moment", [Moment.DECIDING, Moment.COPYING], ids=["deciding", "copying"])
def test_control_without_time_limits_a_writer_cut_off_holds_everybody_up(
    database: Database,
    proxy: SilentProxy,
    tell: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    moment: Moment,
) -> None:
    monkeypatch.setattr(session, "PATIENCE", ENDLESS)
    mine, other = open_book(behind(proxy, database)), open_book(database.dsn("book_writer"))
    with ThreadPoolExecutor() as callers:
        proxy.fall_silent_at(moment)
        waiting = [callers.submit(mine.submit, deposit(CUT_OFF))]
        assert proxy.silent.wait(READY_S_MAX)
        waiting.append(callers.submit(other.submit, deposit(OTHERS[0])))
        assert not wait(waiting, BOUNDED_WAIT_S).done, "the drill would not see a standstill"
        tell(waited_in_vain_s=BOUNDED_WAIT_S)
        proxy.heal()
        for each in waiting:
            assert each.result(READY_S_MAX).events
    mine.close()
    other.close()


@pytest.mark.drill
def test_control_no_time_limit_of_the_server_ends_a_writer_that_is_silent_in_its_copy(
    database: Database,
    proxy: SilentProxy,
    tell: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "UNSEAT", "SELECT {lock} + %s")
    mine, other = open_book(behind(proxy, database)), open_book(database.dsn("book_writer"))
    with ThreadPoolExecutor() as callers:
        proxy.fall_silent_at(Moment.COPYING)
        waiting = callers.submit(mine.submit, deposit(CUT_OFF))
        assert proxy.silent.wait(READY_S_MAX)
        begun = time.monotonic()
        while (waited_s := time.monotonic() - begun) < 1.2 * STATEMENT_TIMEOUT_MS / 1000:
            with pytest.raises(Busy):
                other.submit(deposit(OTHERS[0]))
        tell(waited_in_vain_s=f"{waited_s:.1f}")
        proxy.heal()
        assert waiting.result(READY_S_MAX).events
    mine.close()
    other.close()
