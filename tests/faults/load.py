"""The load of the drills: numbered deposits, the same in every process that names their number."""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from api.house.vocabulary import BOOK
from ledger.book import Book
from ledger.decision import Command
from ledger.errors import Busy, LogUnreadable, OutcomeUnknown
from ledger.facts import WalletCredited
from ledger.ids import ClientId, DepositId, EntityId, child_id, derived_id, fingerprint, request_key
from ledger.money import Money
from ledger.wallet import open_wallet, record, wallet
from payments.bookings import clearing, deposit_credited
from payments.deposit import deposit_stream
from payments.facts import DepositConfirmed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ledger.decision import Decision, Receipt

ENTITY = EntityId("acme-cy")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLIENTS = tuple(ClientId(child_id(UUID(int=0), "drill", str(n))) for n in range(7))
WRITERS = 8
CALLERS = 32
PAUSE_S = 0.1
"""How long a refused writer waits before it goes on."""
PAGE = 1_000


def open_book(dsn: str) -> Book:
    """Open the book with every fact there is and the wall's clock."""
    return Book.open(dsn, ENTITY, BOOK, clock=lambda: datetime.now(UTC))


def client_of(number: int) -> ClientId:
    return CLIENTS[number % len(CLIENTS)]


def amount_of(number: int) -> Money:
    return Money(1_00 + number % 977, "USD")


def deposit(number: int, *, keyed: bool = True) -> Command:
    """Credit the number's amount to its client: two facts, or four where the wallet is new."""
    client, amount = client_of(number), amount_of(number)
    identity = DepositId(derived_id(NOON, "drill", str(number)))
    stream, purse = deposit_stream(identity), wallet(ENTITY, client, "USD")

    def decide(decision: Decision) -> None:
        state = open_wallet(decision, ENTITY, client, "USD")
        moved = deposit_credited(state, clearing(ENTITY, "drill"), amount, None, "drill")
        confirmed = DepositConfirmed(
            deposit=identity, client=client, amount=amount, received_at=NOON
        )
        decision.record(stream, confirmed)
        record(decision, state, WalletCredited(cause=identity, entry=moved))

    return Command(
        decide,
        by="drill",
        at=NOON,
        key=request_key("drill", str(number)) if keyed else None,
        contents=fingerprint(f"{number} {amount.text()}".encode()),
        names=(stream, purse),
    )


def submit_again(book: Book, numbers: Iterable[int], *, keyed: bool = True) -> dict[int, Receipt]:
    """Submit numbers, many at a time, and return the answers."""
    asked = list(numbers)
    with ThreadPoolExecutor(CALLERS) as callers:
        receipts = callers.map(lambda n: book.submit(deposit(n, keyed=keyed)), asked)
        return dict(zip(asked, receipts, strict=True))


@dataclass(frozen=True, slots=True)
class Told:
    """What the book told its callers; of what it acknowledged, the positions."""

    acknowledged: dict[int, tuple[int, ...]] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    """Numbers of which the book said that nothing was recorded."""
    unknown: list[int] = field(default_factory=list)
    """Numbers of which the book said that it cannot know."""


class Writers:
    """Threads that submit one number after the other until they are stopped, or the book stops."""

    def __init__(self, book: Book, first: int, *, keyed: bool = True) -> None:
        self.told = Told()
        self._book = book
        self._keyed = keyed
        self._numbers: Iterator[int] = itertools.count(first)
        self._lock, self._stopping = Lock(), Event()
        self._threads = [Thread(target=self._write, daemon=True) for _ in range(WRITERS)]

    def start(self, heard: Callable[[int], object] = lambda _: None) -> None:
        """Begin; `heard` is called with each acknowledged number, after its answer."""
        self._heard = heard
        for thread in self._threads:
            thread.start()

    def stop(self) -> Told:
        """Let each finish what it waits for."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        return self.told

    def running(self) -> bool:
        """Whether any still writes."""
        return any(thread.is_alive() for thread in self._threads)

    def _write(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                number = next(self._numbers)
            try:
                receipt = self._book.submit(deposit(number, keyed=self._keyed))
            except OutcomeUnknown:
                self.told.unknown.append(number)
            except (Busy, psycopg.Error):
                self.told.refused.append(number)
                self._stopping.wait(PAUSE_S)
            except LogUnreadable:
                self.told.refused.append(number)
                return
            else:
                self.told.acknowledged[number] = tuple(e.position for e in receipt.events)
                self._heard(number)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in a log: how often each deposit, and how much came into each wallet."""

    times: Counter[UUID]
    credited: Counter[ClientId]

    def how_often(self, number: int) -> int:
        """Say how often the numbered deposit stands."""
        return self.times[derived_id(NOON, "drill", str(number))]


def read_log(book: Book) -> Standing:
    """Read the whole log."""
    standing, position = Standing(Counter(), Counter()), 0
    while page := book.events_after(position, PAGE):
        position = page[-1].position
        for event in page:
            if isinstance(event.fact, DepositConfirmed):
                standing.times[event.fact.deposit] += 1
                standing.credited[event.fact.client] += event.fact.amount.minor
    return standing


def check_wallets(book: Book, standing: Standing) -> None:
    """Assert that each wallet holds what its deposits amount to, and that the chain holds."""
    for client in CLIENTS:
        held = book.state(wallet(ENTITY, client, "USD")).available
        assert held == standing.credited[client], f"{client} holds {held}"
    assert book.verify().ok
