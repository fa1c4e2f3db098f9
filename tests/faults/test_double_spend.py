"""Fifty withdrawals of a whole balance at the same moment: exactly one is held."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from ledger.chart import client_account
from ledger.decision import Command, Receipt
from ledger.errors import InsufficientFunds
from ledger.facts import EntryPosted, WalletCredited
from ledger.ids import WithdrawalId, child_id
from ledger.journal import credit, debit, entry
from ledger.wallet import wallet
from payments.bookings import clearing
from payments.facts import Route, RouteKind
from payments.withdrawal import WithdrawalStatus, request, withdrawal_stream
from tests.faults.load import (
    ENTITY,
    NOON,
    PAGE,
    amount_of,
    client_of,
    deposit,
    open_book,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.database.roles import Database
    from ledger.book import Book
    from ledger.decision import Decision

pytestmark = pytest.mark.fault

CALLERS = 50
CLIENT, WHOLE = client_of(0), amount_of(0)
PURSE = wallet(ENTITY, CLIENT, "USD")
ROUTE = Route(RouteKind.BANK, "stripe", "drill", "USD", recipient="acct_1", method="iban_1")


@pytest.fixture
def books(database: Database) -> Iterator[list[Book]]:
    """Two processes' books on one log, with money in one wallet."""
    dsn = database.dsn("book_writer")
    opened = [open_book(dsn), open_book(dsn)]
    opened[0].submit(deposit(0))
    yield opened
    for book in opened:
        book.close()


def withdrawal_id(number: int) -> WithdrawalId:
    return WithdrawalId(child_id(CLIENT, "withdrawal", str(number)))


def withdraw(number: int) -> Command:
    identity = withdrawal_id(number)

    def decide(decision: Decision) -> None:
        request(decision, identity, client=CLIENT, entity=ENTITY, amount=WHOLE, route=ROUTE)

    return Command(decide, by="drill", at=NOON, names=(withdrawal_stream(identity), PURSE))


def test_exactly_one_of_fifty_withdrawals_of_the_whole_is_held(
    books: list[Book], tell: Callable[..., None]
) -> None:
    together = Barrier(CALLERS)

    def ask(number: int) -> Receipt | InsufficientFunds:
        together.wait()
        try:
            return books[number % 2].submit(withdraw(number))
        except InsufficientFunds as refused:
            return refused

    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(ask, range(CALLERS)))
    won = [number for number, answer in enumerate(answers) if isinstance(answer, Receipt)]
    tell(callers=CALLERS, held=len(won), refused=CALLERS - len(won))
    assert len(won) == 1
    for book in books:
        purse = book.state(PURSE)
        assert (purse.available, purse.held) == (0, WHOLE.minor)
        assert purse.holds == {withdrawal_id(won[0]): WHOLE.minor}
        statuses = [book.state(withdrawal_stream(withdrawal_id(n))).status for n in range(CALLERS)]
        assert [n for n, status in enumerate(statuses) if status is WithdrawalStatus.HELD] == won
        assert book.verify().ok


def test_control_checking_outside_the_book_overdraws(
    books: list[Book], tell: Callable[..., None]
) -> None:
    together = Barrier(CALLERS)

    def ask(number: int) -> bool:
        book = books[number % 2]
        enough = book.state(PURSE).available >= WHOLE.minor
        together.wait()
        if enough:
            book.submit(pay_blindly(number))
        return enough

    with ThreadPoolExecutor(CALLERS) as callers:
        paid = sum(callers.map(ask, range(CALLERS)))
    left = _balance(books[0])
    tell(callers=CALLERS, paid=paid, left_in_minor_units=left)
    assert paid == CALLERS
    assert left == WHOLE.minor * (1 - CALLERS)


def pay_blindly(number: int) -> Command:
    """Write the payment that was decided elsewhere: nothing is asked under the lock."""
    identity = withdrawal_id(number)
    account = client_account(ENTITY, "client:wallet", CLIENT)
    moved = entry("naive", [debit(account, WHOLE), credit(clearing(ENTITY, "drill"), WHOLE)])
    stream = withdrawal_stream(identity)

    def decide(decision: Decision) -> None:
        decision.record(stream, EntryPosted(cause=identity, entry=moved))

    return Command(decide, by="drill", at=NOON, names=(stream,))


def _balance(book: Book) -> int:
    """Sum what all entries moved on the client's wallet, in minor units (credit +)."""
    account = client_account(ENTITY, "client:wallet", CLIENT)
    facts = [event.fact for event in book.events_after(0, PAGE)]
    moving = [fact for fact in facts if isinstance(fact, EntryPosted | WalletCredited)]
    return -sum(fact.entry.change(account, "USD") for fact in moving)
