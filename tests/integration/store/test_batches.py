"""Commands that share an append: none sees, harms or waits for another's failure."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import TYPE_CHECKING

import psycopg
import pytest

from ledger.decision import Receipt
from ledger.errors import Busy, InsufficientFunds, KeyReused
from tests.unit.ledger.store.counter import Added, Taken, add, command, counter, move, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.database.roles import Database
    from ledger.book import Book
    from ledger.decision import Command, Decision

    OpenBook = Callable[..., Book]
    Outcome = Receipt | BaseException


def together(book: Book, *commands: Command) -> list[Outcome]:
    """Submit in one turn of an event loop: one batch, in this order."""

    async def run() -> list[Outcome]:
        return await asyncio.gather(*map(book.asubmit, commands), return_exceptions=True)

    return asyncio.run(run())


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_commands_of_one_turn_share_one_append(open_book: OpenBook) -> None:
    book = open_book()
    receipts = together(book, *(add(f"c{n}") for n in range(20)))
    assert kinds(receipts) == [Receipt] * 20
    assert len({event.recorded_at for event in book.events_after(1, 100)}) == 1


def test_a_bad_command_harms_no_other_of_its_batch(open_book: OpenBook) -> None:
    book = open_book()

    def fail(decision: Decision) -> None:
        decision.record(counter("a"), Added(amount=100))
        raise ZeroDivisionError

    def stop(_: Decision) -> None:
        raise StopIteration

    def leave(_: Decision) -> None:
        raise SystemExit

    def garble(decision: Decision) -> None:
        decision.record(counter("a"), Added(amount=100, note="\ud800"))

    poisoned = [command(decide) for decide in (fail, stop, leave, garble)]
    outcomes = together(book, add("a", 1), take("a", 2), *poisoned, add("a", 1), take("a", 2))
    assert kinds(outcomes) == [
        Receipt,
        InsufficientFunds,
        ZeroDivisionError,
        RuntimeError,
        RuntimeError,
        UnicodeEncodeError,
        Receipt,
        Receipt,
    ]
    assert book.state(counter("a")).total == 0
    assert book.verify().ok


def test_a_later_command_sees_what_an_earlier_one_of_its_batch_decided(
    open_book: OpenBook,
) -> None:
    book = open_book()
    outcomes = together(book, add("a", 5), move("a", "b", 5), move("b", "c", 5), take("a", 1))
    assert kinds(outcomes) == [Receipt, Receipt, Receipt, InsufficientFunds]
    assert book.state(counter("c")).total == 5


def test_a_key_twice_in_one_batch_is_decided_once(open_book: OpenBook) -> None:
    book = open_book()
    first, second, other = together(
        book, add("a", 1, key="k"), add("a", 1, key="k"), add("a", 2, key="k")
    )
    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert second.replayed
    assert first.events == second.events
    assert isinstance(other, KeyReused)
    assert book.state(counter("a")).total == 1


def test_a_key_whose_first_command_is_refused_is_free_for_the_second(open_book: OpenBook) -> None:
    book = open_book()
    outcomes = together(book, take("a", 1, key="k"), add("a", 1), take("a", 1, key="k"))
    assert kinds(outcomes) == [InsufficientFunds, Receipt, Receipt]
    assert book.state(counter("a")).total == 0


@pytest.mark.parametrize("named", [True, False], ids=["named", "met on the way"])
def test_of_fifty_withdrawals_of_the_whole_exactly_one_wins(
    open_book: OpenBook, named: bool
) -> None:
    book = open_book()
    book.submit(add("a", 100))

    def withdraw(_: int) -> Outcome:
        try:
            return book.submit(take("a", 100, named=named))
        except InsufficientFunds as refused:
            return refused

    with ThreadPoolExecutor(50) as callers:
        outcomes = list(callers.map(withdraw, range(50)))
    assert kinds(outcomes).count(Receipt) == 1
    assert book.state(counter("a")).total == 0


def test_control_deciding_outside_the_book_overdraws(open_book: OpenBook) -> None:
    book = open_book()
    book.submit(add("a", 100))
    balances = [book.state(counter("a")).total for _ in range(50)]
    blind = command(lambda d: d.record(counter("a"), Taken(amount=100)), counter("a"))
    together(book, *(blind for balance in balances if balance >= 100))
    assert book.state(counter("a")).total < 0


def test_what_the_database_refuses_fails_its_own_command_only(
    open_book: OpenBook, database: Database
) -> None:
    book = open_book()
    with psycopg.connect(database.dsn("migrator"), autocommit=True) as owner:
        owner.execute(
            "ALTER TABLE book.log ADD CHECK (position(':13}' in encode(state, 'escape')) = 0)"
        )
    outcomes = together(book, add("a", 1), add("a", 13), add("b", 2), add("a", 3))
    assert kinds(outcomes) == [Receipt, psycopg.errors.CheckViolation, Receipt, Receipt]
    assert book.state(counter("a")).total == 4
    assert book.verify().ok


def test_a_stream_met_on_the_way_is_loaded(open_book: OpenBook) -> None:
    open_book().submit(add("c9", 7))
    book = open_book()

    def chain(decision: Decision) -> None:
        totals = [decision.get(counter(f"c{n}")).total for n in range(10)]
        decision.record(counter("sum"), Added(amount=totals[-1]))

    (receipt,) = together(book, command(chain))
    assert isinstance(receipt, Receipt)
    assert book.state(counter("sum")).total == 7


def test_a_command_whose_streams_change_under_it_is_served_alone(open_book: OpenBook) -> None:
    book = open_book()
    fresh = iter(range(100))

    def restless(decision: Decision) -> None:
        decision.record(counter(f"new{next(fresh)}"), Added(amount=1))

    outcomes = together(book, command(restless), add("a"))
    assert kinds(outcomes) == [Receipt, Receipt]
    assert book.head() == 3


def test_a_decision_that_swallows_everything_is_still_put_back(open_book: OpenBook) -> None:
    open_book().submit(add("a", 7))
    book = open_book()

    def greedy(decision: Decision) -> None:
        try:
            total = decision.get(counter("a")).total
        except BaseException:
            total = -1
        decision.record(counter("b"), Added(amount=total))

    book.submit(command(greedy, counter("b")))
    assert book.state(counter("b")).total == 7


def test_a_full_queue_says_busy_and_serves_who_waits(open_book: OpenBook) -> None:
    book = open_book(queue_max=2)
    deciding, release = Event(), Event()

    def hold(_: Decision) -> None:
        deciding.set()
        assert release.wait(10)

    with ThreadPoolExecutor(1) as callers:
        held = callers.submit(book.submit, command(hold))
        assert deciding.wait(10)
        outcomes: list[Outcome] = []
        waiting = Thread(
            target=lambda: outcomes.extend(together(book, *(add("a") for _ in range(4))))
        )
        waiting.start()
        while len(book._desk._jobs) < 2:
            release.wait(0.01)
        release.set()
        waiting.join()
        held.result()
    assert kinds(outcomes) == [Receipt, Receipt, Busy, Busy]
    assert [o.retry_after_s for o in outcomes if isinstance(o, Busy)] == [1, 1]


def test_closing_serves_who_waits_and_refuses_who_comes(open_book: OpenBook) -> None:
    book = open_book()
    deciding, release = Event(), Event()

    def hold(_: Decision) -> None:
        deciding.set()
        assert release.wait(10)

    with ThreadPoolExecutor(3) as callers:
        held = callers.submit(book.submit, command(hold))
        assert deciding.wait(10)
        waiting = callers.submit(book.submit, add("a"))
        while not book._desk._jobs:
            release.wait(0.01)
        closing = callers.submit(book.close)
        release.set()
        closing.result()
        assert waiting.result().position == 2
        held.result()
    with pytest.raises(Busy):
        book.submit(add("a"))


def test_a_caller_who_left_takes_nothing_back(open_book: OpenBook) -> None:
    book = open_book()

    async def leave() -> None:
        task = asyncio.create_task(book.asubmit(add("a")))
        await asyncio.sleep(0)
        task.cancel()
        await book.asubmit(add("b"))

    asyncio.run(leave())
    assert book.state(counter("a")).total == 1
