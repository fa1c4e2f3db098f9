"""A small broker in memory: commands by hand, and a clock that the test turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from clients.client import register
from clients.facts import FACTS as CLIENT_FACTS
from clients.facts import Category
from compliance.facts import FACTS as COMPLIANCE_FACTS
from ledger.chart import Account
from ledger.decision import Command, Kind
from ledger.facts import FACTS as LEDGER_FACTS
from ledger.facts import EntryPosted, WalletCredited
from ledger.fx import Quote
from ledger.ids import ClientId, DepositId, EntityId, request_key
from ledger.journal import Posting, entry
from ledger.money import Money
from ledger.store.codec import Vocabulary
from ledger.store.memory import MemoryBook
from ledger.wallet import WalletState, open_wallet, record
from payments import bookings
from payments.deposit import initiate
from payments.deposit_notices import merge_payment
from payments.facts import FACTS as PAYMENT_FACTS
from payments.facts import DepositInitiated
from payments.link import Merchant
from payments.notices import PaymentNotice, PaymentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.decision import Decision, Event, Fact, Receipt, Stream

ENTITY = EntityId("acme-cy")
MERCHANT = Merchant(ENTITY, "stripe", "stripe-eu", live=False)
VOCABULARY = Vocabulary((*LEDGER_FACTS, *PAYMENT_FACTS, *CLIENT_FACTS, *COMPLIANCE_FACTS))
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
CLEARING = bookings.clearing(ENTITY, MERCHANT.name)
BY_HAND = Kind("by-hand", WalletState(), lambda state, _: state)


def client_number(number: int) -> ClientId:
    """Name a client."""
    return ClientId(UUID(int=(1 << 120) + number))


def thing(number: int) -> UUID:
    """Name a deposit, withdrawal or dispute."""
    return UUID(int=(2 << 120) + number)


def rate(at: datetime, pair: str) -> Quote:
    """The rate of the worked example in the policies, for any pair."""
    base, quote = pair.split("/")
    return Quote(
        base=base,
        quote=quote,
        bid=Decimal("1.09980"),
        ask=Decimal("1.10020"),
        source="broker",
        quoted_at=at,
        valid_until=at + timedelta(minutes=15),
        quote_id="q-1",
    )


class House:
    """Decides in a `MemoryBook`."""

    def __init__(self) -> None:
        self.now = START
        self.book = MemoryBook(ENTITY, VOCABULARY, clock=lambda: self.now)

    @property
    def events(self) -> list[Event]:
        """Everything that was recorded."""
        return self.book.events_after(0, self.book.head())

    def do(
        self,
        decide: Callable[[Decision], object],
        *,
        at: datetime | None = None,
        key: str | None = None,
        why: int | None = None,
    ) -> Receipt:
        """Decide one command, recorded now and effective at a time."""

        def decision(decision: Decision) -> None:
            decide(decision)

        return self.book.submit(
            Command(
                decision,
                by="tests",
                at=at or self.now,
                key=None if key is None else request_key(key),
                why=why,
            )
        )

    def record(self, stream: Stream[Any], fact: Fact, *, at: datetime | None = None) -> Receipt:
        """Record one fact as it is."""
        return self.do(lambda d: d.record(stream, fact), at=at)

    def register(self, number: int, currency: str = "EUR") -> ClientId:
        """Register a client."""
        client = client_number(number)
        self.do(
            lambda d: register(
                d,
                client,
                ENTITY,
                residence="CY",
                category=Category.RETAIL,
                account_currency=currency,
                name_ref=f"crm:{number}",
            ),
            key=f"register {number}",
        )
        return client

    def credit(
        self, client: ClientId, minor: int, currency: str = "EUR", *, at: datetime | None = None
    ) -> Receipt:
        """Credit a client out of clearing, by hand."""

        def decide(decision: Decision) -> None:
            purse = open_wallet(decision, ENTITY, client, currency)
            amount = Money(minor, currency)
            moved = bookings.deposit_credited(purse, CLEARING, amount, None, "credited by hand")
            record(decision, purse, WalletCredited(cause=client, entry=moved))

        return self.do(decide, at=at)

    def post(self, *legs: Posting, at: datetime | None = None) -> Receipt:
        """Post an entry that moves no wallet."""
        fact = EntryPosted(cause=thing(0), entry=entry("by hand", legs))
        return self.record(BY_HAND(thing(0)), fact, at=at)

    def announce(
        self, number: int, client: ClientId, minor: int, currency: str, into: str
    ) -> DepositId:
        """Announce a deposit."""
        deposit = DepositId(thing(number))
        announced = DepositInitiated(
            deposit=deposit,
            client=client,
            entity=ENTITY,
            provider="stripe",
            merchant_account=MERCHANT.name,
            method="card",
            amount=Money(minor, currency),
            into=into,
            markup_bps=Decimal(100),
        )
        self.do(lambda d: initiate(d, announced), key=f"deposit {number}")
        return deposit

    def deposit(
        self,
        number: int,
        client: ClientId,
        minor: int,
        currency: str = "EUR",
        into: str = "EUR",
        *,
        received: int | None = None,
        priced: bool = True,
        why: int | None = None,
    ) -> DepositId:
        """Announce a deposit and have the provider confirm what it received."""
        deposit = self.announce(number, client, minor, currency, into)
        notice = PaymentNotice(
            provider="stripe",
            merchant_account=MERCHANT.name,
            reference=f"pi_{number}",
            deposit=deposit,
            status=PaymentStatus.SUCCEEDED,
            raw_status="succeeded",
            amount=Money(minor, currency),
            received=Money(received or minor, currency),
            created_at=self.now,
            happened_at=self.now,
            charge=f"ch_{number}",
        )
        quote = rate(self.now, f"{currency}/{into}") if priced and currency != into else None
        self.do(lambda d: merge_payment(d, deposit, MERCHANT, notice, quote), why=why)
        return deposit


def legs(*moves: tuple[str, str, int]) -> Sequence[Posting]:
    """Write postings: account, currency, minor."""
    return [Posting(Account(account), currency, minor) for account, currency, minor in moves]
