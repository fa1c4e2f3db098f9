"""What the benchmarks send: movements of random clients, amounts and references, from one seed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

from ledger.decision import Command
from ledger.facts import WalletCredited
from ledger.fx import Quote, convert
from ledger.ids import ClientId, DepositId, EntityId, fingerprint, request_key
from ledger.money import Money
from ledger.wallet import open_wallet, record, wallet
from payments.bookings import clearing, deposit_credited
from payments.deposit import deposit_stream
from payments.facts import DepositConfirmed
from payments.link import Merchant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.decision import Decision

ENTITY = EntityId("acme-cy")
MERCHANT = Merchant(ENTITY, "stripe", "stripe-eu", live=False)
MARKUP_BPS = Decimal(50)
QUOTED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUOTE = Quote(
    "EUR",
    "USD",
    Decimal("1.08412"),
    Decimal("1.08431"),
    "bench",
    QUOTED_AT,
    QUOTED_AT + timedelta(hours=1),
    "bench-1",
)
WALLETS = 5_000
WALLETS_A_COMMAND = 250


class Load:
    """Makes the commands of one run: random clients, amounts and references, all from one seed."""

    def __init__(
        self, seed: int, wallets: int = WALLETS, part: int = 0, *, timed_keys: bool = False
    ) -> None:
        """Choose the clients.

        Args:
            seed: the same seed has the same clients.
            wallets: one of each client.
            part: loads of one seed and different parts share clients, and no reference.
            timed_keys: request keys that begin with the time, beside each other in the index;
                ours are digests, anywhere in it.
        """
        chance = random.Random(seed)
        self._clients = [
            ClientId(UUID(int=chance.getrandbits(128), version=4)) for _ in range(wallets)
        ]
        self._chance = random.Random(f"{seed}/{part}")
        self._references = count()
        self._timed_keys = timed_keys

    def openings(self) -> Iterator[Command]:
        """Open the wallets, many a command."""
        for start in range(0, len(self._clients), WALLETS_A_COMMAND):
            yield _opening(self._clients[start : start + WALLETS_A_COMMAND])

    def spread(self) -> Command:
        """Make a movement into any of the wallets."""
        return self._movement(self._chance.choice(self._clients))

    def each(self) -> Iterator[Command]:
        """Make a movement into every wallet."""
        return map(self._movement, self._clients)

    def hot(self) -> Command:
        """Make a movement into always the same wallet."""
        return self._movement(self._clients[0])

    def one_fact(self) -> Command:
        """Make the wallet's half of a movement alone."""
        return self._movement(self._chance.choice(self._clients), with_deposit=False)

    def _movement(self, client: ClientId, *, with_deposit: bool = True) -> Command:
        reference = f"pi_{next(self._references)}{self._chance.getrandbits(64):016x}"
        amount = Money(self._chance.randint(1_00, 25_000_00), "EUR")
        at = datetime.now(UTC)
        deposit = DepositId(MERCHANT.id_of(at, "payment", reference))
        stream, purse = deposit_stream(deposit), wallet(ENTITY, client, "USD")

        def decide(decision: Decision) -> None:
            conversion = convert(amount, "USD", QUOTE, MARKUP_BPS)
            if with_deposit:
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

        return Command(
            decide,
            by="bench",
            at=at,
            key=deposit.bytes
            if self._timed_keys
            else request_key(ENTITY, MERCHANT.provider, MERCHANT.name, reference),
            contents=fingerprint(f"{reference} {amount.text()} {client}".encode()),
            names=(stream, purse) if with_deposit else (purse,),
        )


def _opening(clients: Sequence[ClientId]) -> Command:
    def decide(decision: Decision) -> None:
        for client in clients:
            open_wallet(decision, ENTITY, client, "USD")

    streams = tuple(wallet(ENTITY, client, "USD") for client in clients)
    return Command(decide, by="bench", at=datetime.now(UTC), names=streams)
