"""A bank of a few wallets: random transfers that move money and never make or lose any."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from ledger.chart import client_account
from ledger.decision import Command
from ledger.errors import Busy, InsufficientFunds, LogUnreachable, OutcomeUnknown
from ledger.facts import WalletCredited, WalletDebited
from ledger.ids import ClientId, child_id, fingerprint, request_key
from ledger.journal import Entry, credit, debit, entry
from ledger.money import Money
from ledger.wallet import credit_legs, debit_legs, open_wallet, record, require_wallet, wallet
from payments.bookings import clearing
from projections.balances import balances
from tests.faults.load import ENTITY, NOON, PAGE, PAUSE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

    from ledger.book import Book
    from ledger.decision import Decision

CURRENCY = "USD"
SOURCE = clearing(ENTITY, "drill")
CLIENTS = tuple(ClientId(child_id(UUID(int=1), "bank", str(n))) for n in range(12))
ACCOUNTS = {client_account(ENTITY, "client:wallet", client) for client in CLIENTS}
EACH = Money(100_00, CURRENCY)
TOTAL = EACH.minor * len(CLIENTS)
AMOUNT_MAX = 90_00
"""Close to what a wallet begins with: many transfers are more than there is."""
TELLERS = 8


def endow(client: ClientId) -> Command:
    """Give a client the money to begin with."""
    cause = child_id(client, "endowment")

    def decide(decision: Decision) -> None:
        state = open_wallet(decision, ENTITY, client, CURRENCY)
        moved = entry("endowment", [debit(SOURCE, EACH), *credit_legs(state, EACH)])
        record(decision, state, WalletCredited(cause=cause, entry=moved))

    key = request_key("bank", str(client))
    return Command(decide, by="bank", at=NOON, key=key, names=(wallet(ENTITY, client, CURRENCY),))


def transfer(number: int, payer: ClientId, payee: ClientId, amount: Money) -> Command:
    """Move money from one wallet into another: two facts, in one append or in none."""
    cause = child_id(payer, "transfer", str(number))

    def decide(decision: Decision) -> None:
        giving = require_wallet(decision, ENTITY, payer, CURRENCY)
        out = entry("transfer", [*debit_legs(giving, amount), credit(SOURCE, amount)])
        record(decision, giving, WalletDebited(cause=cause, entry=out))
        taking = require_wallet(decision, ENTITY, payee, CURRENCY)
        into = entry("transfer", [debit(SOURCE, amount), *credit_legs(taking, amount)])
        record(decision, taking, WalletCredited(cause=cause, entry=into))

    return Command(
        decide,
        by="bank",
        at=NOON + timedelta(seconds=number),
        key=request_key("transfer", str(number)),
        contents=fingerprint(f"{number} {payer} {payee} {amount.text()}".encode()),
        names=(wallet(ENTITY, payer, CURRENCY), wallet(ENTITY, payee, CURRENCY)),
    )


class Tellers:
    """Threads that ask for random transfers, each again under its key until it is answered."""

    def __init__(self, book: Book, seed: int) -> None:
        self.done: set[int] = set()
        self.refused: set[int] = set()
        self.again = 0
        """How often a transfer was asked for again, because nobody could say what became of it."""
        self._book, self._chance = book, random.Random(seed)
        self._lock, self._stopping, self._number = Lock(), Event(), 0
        self._threads = [Thread(target=self._serve, daemon=True) for _ in range(TELLERS)]

    def start(self) -> None:
        """Open the counter."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close it, when everybody who stands there has an answer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                self._number += 1
                number = self._number
                payer, payee = self._chance.sample(CLIENTS, 2)
                amount = Money(self._chance.randint(1, AMOUNT_MAX), CURRENCY)
            self._insist(number, transfer(number, payer, payee, amount))

    def _insist(self, number: int, command: Command) -> None:
        while True:
            try:
                self._book.submit(command)
            except InsufficientFunds:
                self.refused.add(number)
                return
            except (Busy, OutcomeUnknown, LogUnreachable, psycopg.Error):
                self.again += 1
                Event().wait(PAUSE_S)
            else:
                self.done.add(number)
                return


def seen(connection: Connection[Any], **moment: Any) -> tuple[int, int]:
    """Read all wallets in one snapshot: their sum, and the least of them."""
    rows = balances(connection, kind="client:wallet", limit=len(CLIENTS), **moment).rows
    stands = [-row.minor for row in rows]
    return sum(stands), min(stands, default=0)


def seen_one_by_one(connection: Connection[Any]) -> tuple[int, int]:
    """Read each wallet by itself: what nobody should add up."""
    stands = [
        -row.minor
        for account in sorted(ACCOUNTS)
        for row in balances(connection, account=account).rows
    ]
    return sum(stands), min(stands, default=0)


def entries_of(book: Book) -> Iterator[tuple[int, Entry]]:
    """Every entry in the log, in order."""
    position = 0
    while page := book.events_after(position, PAGE):
        position = page[-1].position
        for event in page:
            if isinstance(event.fact, WalletCredited | WalletDebited):
                yield event.position, event.fact.entry


def modelled(book: Book, overdrawn: Callable[[int, str], object]) -> Counter[str]:
    """Add the log up on one thread, by nothing but the postings: what every account must hold."""
    model: Counter[str] = Counter()
    for position, moved in entries_of(book):
        for posting in moved.postings:
            model[posting.account] += posting.minor
            if posting.account in ACCOUNTS and model[posting.account] > 0:
                overdrawn(position, posting.account)
    return model
