"""Deposits by the thousand: announced, confirmed with a conversion and credited, from one seed.

A deposit is two commands and three facts, whose last carries an entry of five legs. `fill` decides
and chains them as the book does and copies them into an empty log, which takes a small part of the
time that answering a caller for each would take.
"""

from __future__ import annotations

import random
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from api.house.vocabulary import BOOK
from ledger.decision import Command
from ledger.facts import WalletCredited
from ledger.fx import convert
from ledger.ids import ClientId, DepositId, fingerprint, request_key
from ledger.money import Money
from ledger.store.chain import genesis, micros
from ledger.store.opening import opening
from ledger.store.round import Round
from ledger.store.rows import COPY_HEADER, COPY_IN, COPY_TRAILER, pack
from ledger.store.states import Known, States
from ledger.store.tables import LOGS
from ledger.wallet import open_wallet, record, wallet
from payments.bookings import clearing, deposit_credited
from payments.deposit import deposit_stream, initiate
from payments.facts import DepositConfirmed, DepositInitiated
from tests.benchmarks.load import ENTITY, MARKUP_BPS, MERCHANT, QUOTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta

    from ledger.decision import Decision, Stream

FACTS = 3
"""Facts of one deposit."""
LEGS = 5
TRAILING = 2_000
"""Deposits between an announcement and its confirmation: never in one batch of the projector."""
CLIENTS = 5_000
CLIENTS_A_COMMAND = 250
COMMANDS_A_COPY = 500
LOG = LOGS["log"]
NO_WAIT = "SET synchronous_commit = off"


class Deposits:
    """Makes the commands of one run: random clients, amounts and references, all from one seed."""

    def __init__(self, seed: int, clients: int = CLIENTS) -> None:
        self._chance = random.Random(seed)
        self._references = count()
        self._seed = seed
        self._open: deque[tuple[DepositInitiated, str]] = deque()
        self.clients = [
            ClientId(UUID(int=self._chance.getrandbits(128), version=4)) for _ in range(clients)
        ]

    def openings(self, at: datetime) -> Iterator[Command]:
        """Open the wallets, many a command."""
        for start in range(0, len(self.clients), CLIENTS_A_COMMAND):
            yield _opening(self.clients[start : start + CLIENTS_A_COMMAND], at)

    @property
    def waiting(self) -> int:
        """How many deposits are announced and not yet confirmed."""
        return len(self._open)

    def announce(self, at: datetime) -> Command:
        """Make the announcement of a deposit of any of the clients."""
        client = self._chance.choice(self.clients)
        reference = f"pi_{self._seed}_{next(self._references)}{self._chance.getrandbits(64):016x}"
        amount = Money(self._chance.randint(1_00, 25_000_00), "EUR")
        announced = DepositInitiated(
            deposit=DepositId(MERCHANT.id_of(at, "payment", reference)),
            client=client,
            entity=ENTITY,
            provider=MERCHANT.provider,
            merchant_account=MERCHANT.name,
            method="card",
            amount=amount,
            into="USD",
            markup_bps=MARKUP_BPS,
        )
        self._open.append((announced, reference))
        stream = deposit_stream(announced.deposit)
        return _command(at, lambda decision: initiate(decision, announced), reference, stream)

    def confirm(self, at: datetime) -> Command:
        """Make the confirmation of the oldest announced deposit: converted and credited."""
        announced, reference = self._open.popleft()
        client, amount, deposit = announced.client, announced.amount, announced.deposit
        stream, purse = deposit_stream(deposit), wallet(ENTITY, client, "USD")

        def decide(decision: Decision) -> None:
            conversion = convert(amount, "USD", QUOTE, MARKUP_BPS)
            confirmed = DepositConfirmed(
                deposit=deposit,
                client=client,
                amount=amount,
                received_at=at,
                charge=reference,
                conversion=conversion,
            )
            decision.record(stream, confirmed)
            state, source = decision.get(purse), clearing(ENTITY, MERCHANT.name)
            moved = deposit_credited(state, source, amount, conversion, "deposit confirmed")
            record(decision, state, WalletCredited(cause=deposit, entry=moved))

        return _command(at, decide, f"{reference}/paid", stream, purse)


def _command(
    at: datetime, decide: Callable[[Decision], object], reference: str, *names: Stream[Any]
) -> Command:
    def act(decision: Decision) -> None:
        decide(decision)

    return Command(
        act,
        by="bench",
        at=at,
        key=request_key(ENTITY, MERCHANT.provider, MERCHANT.name, reference),
        contents=fingerprint(reference.encode()),
        names=names,
    )


def _opening(clients: list[ClientId], at: datetime) -> Command:
    def decide(decision: Decision) -> None:
        for client in clients:
            open_wallet(decision, ENTITY, client, "USD")

    streams = tuple(wallet(ENTITY, client, "USD") for client in clients)
    return Command(decide, by="bench", at=at, names=streams)


def fill(
    dsn: str,
    deposits: Deposits,
    events: int,
    begins: datetime,
    ends: datetime,
    tell: Callable[[int], None] = lambda _: None,
) -> int:
    """Fill an empty log with about so many events, evenly between two times; return the head."""
    number = max(1, (events - len(deposits.clients)) // FACTS)
    step = (ends - begins) / number
    head, states = genesis(LOG.name, ENTITY), States()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(NO_WAIT)
        for commands in _chunks(deposits, number, begins, step):
            batch = Round(head, micros(commands[-1].at), BOOK, states, {})
            for command in commands:
                batch.decide(command, _blank)
            head = batch.head
            states.merge(batch.changed)
            states.trim()
            with connection.cursor().copy(LOG.sql(COPY_IN)) as copy:
                copy.write(COPY_HEADER + pack(batch.take_rows()) + COPY_TRAILER)
            tell(head.position)
    return head.position


def _chunks(
    deposits: Deposits, number: int, begins: datetime, step: timedelta
) -> Iterator[list[Command]]:
    yield [opening(ENTITY, begins), *deposits.openings(begins)]
    for first in range(0, number, COMMANDS_A_COPY):
        times = [begins + step * n for n in range(first, min(first + COMMANDS_A_COPY, number))]
        announced = [deposits.announce(at) for at in times]
        late = len(times) if deposits.waiting > TRAILING else 0
        yield announced + [deposits.confirm(at) for at in times[:late]]


def _blank(stream: Stream[Any]) -> Known:
    # Only streams that nobody has written to are met for the first time here.
    return Known(stream.kind, 0, stream.kind.blank)
