"""Clients, compliance and finance: scripted by chance, refused as often as not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from clients.client import register
from clients.facts import Category
from compliance.kyc import approve, revoke
from ledger.decision import Command
from ledger.errors import Refusal
from ledger.ids import ClientId, DepositId, EntityId, WithdrawalId, fingerprint, request_key
from ledger.money import Money
from ledger.wallet import freeze, unfreeze, wallet
from payments import quotes, withdrawal
from payments.conversion import exchange
from payments.deposit import deposit_stream, initiate
from payments.facts import DepositInitiated, Route, RouteKind
from payments.reactors import deposits
from tests.simulation.world.faults import Crashed
from tests.simulation.world.objects import MERCHANT, PROVIDER
from tests.simulation.world.ports import STRANGER

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from ledger.decision import Decision, Receipt
    from ledger.store.memory import MemoryBook
    from payments.reactors.desk import Desk
    from tests.simulation.world.schedule import Schedule

ENTITY = EntityId("acme-cy")
MARKUP = Decimal(100)
SCALE = {"EUR": 100, "GBP": 100, "JPY": 1, "KWD": 1_000, "USD": 100}
CURRENCIES = tuple(SCALE)
FOUR_EYES_ABOVE = {"EUR": 90_000, "GBP": 90_000, "JPY": 90_000, "KWD": 300_000, "USD": 100_000}


@dataclass(slots=True)
class Person:
    """A client, and what they have begun."""

    client: ClientId
    currency: str
    deposits: list[DepositId]
    withdrawals: list[WithdrawalId]


class People:
    """Everybody who sends commands."""

    def __init__(
        self, book: MemoryBook, desk: Desk, schedule: Schedule, chance: random.Random
    ) -> None:
        self.book, self.desk, self.schedule, self.chance = book, desk, schedule, chance
        self.people: list[Person] = []
        self._named = 0

    # --- coming and going

    def come(self, count: int, horizon_s: int, acts: int) -> None:
        """Register clients, and let each of them do things for a while."""
        for _ in range(count):
            client = ClientId(self._id(0xC))
            person = Person(client, self.chance.choice(("EUR", "JPY", "KWD", "USD", "USD")), [], [])
            self.people.append(person)
            self._says("register", client, self._register, person)
            if self.chance.random() < 0.8:
                self._says("approve", client, self._approve, person)
            for _ in range(acts):
                act = self.chance.choice(self._acts())
                delay = self.chance.randrange(horizon_s)
                self.schedule.after(delay, act.__name__, partial(act, person))

    def _acts(self) -> list[Callable[[Person], None]]:
        return [
            *([self.pays_in] * 5),
            *([self.withdraws] * 12),
            *([self.exchanges] * 2),
            self.cancels,
            self.is_judged,
            self.is_frozen,
            self.approvals,
        ]

    def _id(self, kind: int) -> UUID:
        self._named += 1
        head = int(self.schedule.now.timestamp()) & 0xFFFFFFFF
        return UUID(int=(head << 96) | (0x8 << 76) | (0x8 << 60) | (kind << 32) | self._named)

    def _says(
        self, what: str, name: UUID, decide: Callable[..., object], *args: Any
    ) -> Receipt | None:
        """Send a command with a key; now and then twice, as one whose answer was lost."""

        def decided(decision: Decision) -> None:
            decide(decision, *args)

        command = Command(
            decided,
            by="service:api",
            at=self.schedule.now,
            key=request_key("api", what, str(name)),
            contents=fingerprint(what.encode()),
        )
        try:
            receipt = self.book.submit(command)
            if self.chance.random() < 0.1:
                again = self.book.submit(command)
                assert again.events == receipt.events, f"{what} twice, answered differently"
        except Refusal as refusal:
            self.schedule.tell(f"{what}: {refusal}")
            return None
        return receipt

    # --- who they are

    def _register(self, decision: Decision, person: Person) -> None:
        register(
            decision,
            person.client,
            ENTITY,
            residence="DE",
            category=Category.RETAIL,
            account_currency=person.currency,
            name_ref="crm:1",
        )

    def _approve(self, decision: Decision, person: Person) -> None:
        until = decision.at + timedelta(days=self.chance.choice((1, 400)))
        approve(decision, person.client, level=1, valid_until=until, evidence_ref="kyc:1")

    def is_judged(self, person: Person) -> None:
        """Compliance approves or revokes."""
        if self.chance.random() < 0.5:
            self._says("approve", self._id(1), self._approve, person)
        else:
            evidence = {"evidence_ref": "kyc:2"}
            self._says("revoke", self._id(1), lambda d: revoke(d, person.client, **evidence))

    def is_frozen(self, person: Person) -> None:
        """A wallet is frozen, and perhaps not for ever."""
        where = (ENTITY, person.client, person.currency)
        self._says("freeze", self._id(2), lambda d: freeze(d, *where, "a question"))
        if self.chance.random() < 0.7:
            self.schedule.after(
                self.chance.randrange(7_200),
                "unfreezes",
                lambda: self._says("thaw", self._id(2), lambda d: unfreeze(d, *where, "answered")),
            )

    # --- money in

    def pays_in(self, person: Person) -> None:
        """Announce a deposit; the API opens the payment at once, or dies before it does."""
        deposit = DepositId(self._id(3))
        currency = self.chance.choice((*CURRENCIES, person.currency, person.currency))
        amount = Money(self.chance.randint(2, 2_000) * SCALE[currency], currency)
        quote = None
        if currency != person.currency and self.chance.random() < 0.5:
            quote = self.desk.rate(amount, person.currency, self.schedule.now)
        announced = DepositInitiated(
            deposit=deposit,
            client=person.client,
            entity=ENTITY,
            provider=PROVIDER,
            merchant_account=MERCHANT,
            method="card",
            amount=amount,
            into=person.currency,
            markup_bps=MARKUP,
            quote=quote,
            quote_until=quote.valid_until if quote else None,
        )
        if self._says("deposit", deposit, initiate, announced) is None:
            return
        person.deposits.append(deposit)
        if self.chance.random() < 0.7:
            try:
                deposits.open_payment(self.desk, deposit, 1)
            except (Crashed, Refusal) as ended:
                self.schedule.tell(f"the request ended: {ended}")

    # --- money out

    def withdraws(self, person: Person) -> None:
        """Ask for money back to a charge, or to a bank account."""
        asked = WithdrawalId(self._id(4))
        currency = self.chance.choice((*[person.currency] * 9, *CURRENCIES))
        there = self.book.state(wallet(ENTITY, person.client, currency)).available
        if self.chance.random() < 0.9 and not there:
            return
        minor = self.chance.choice((there, self.chance.randint(1, max(1, there)), there // 2 + 1))
        amount = Money(minor, currency)
        route = self._back(person, amount) or self._to_bank(currency)

        def decide(decision: Decision) -> None:
            withdrawal.request(
                decision, asked, client=person.client, entity=ENTITY, amount=amount, route=route
            )
            withdrawal.judge(decision, asked, self.desk.gates, self.desk.four_eyes_above)

        if self._says("withdraw", asked, decide) is not None:
            person.withdrawals.append(asked)

    def _to_bank(self, currency: str) -> Route:
        paid = self.chance.choice((currency, currency, *CURRENCIES))
        recipient = STRANGER if self.chance.random() < 0.1 else "rcp_1"
        return Route(RouteKind.BANK, PROVIDER, MERCHANT, paid, recipient=recipient, method="bank_1")

    def _back(self, person: Person, amount: Money) -> Route | None:
        """A route back to one of their charges; now and then to somebody else's."""
        whose = self.chance.choice(self.people) if self.chance.random() < 0.15 else person
        if not whose.deposits or self.chance.random() < 0.3:
            return None
        deposit = self.chance.choice(whose.deposits)
        currency = self.book.state(deposit_stream(deposit)).amount.currency
        return Route(RouteKind.REFUND, PROVIDER, MERCHANT, currency, deposit=deposit)

    def cancels(self, person: Person) -> None:
        """Take back one of the withdrawals, if it is not too late."""
        if person.withdrawals:
            asked = self.chance.choice(person.withdrawals)
            self._says("cancel", self._id(5), withdrawal.cancel, asked)

    def approvals(self, person: Person) -> None:
        """Two people look at one of the withdrawals."""
        if person.withdrawals:
            asked = self.chance.choice(person.withdrawals)
            for subject in ("user:ann", self.chance.choice(("user:ann", "user:bob"))):
                self._says("four-eyes", self._id(6), withdrawal.approve, asked, subject)

    # --- between wallets

    def exchanges(self, person: Person) -> None:
        """Ask for a quote, and use it a little later: in time, too late, or twice."""
        into = self.chance.choice([c for c in CURRENCIES if c != person.currency])
        there = self.book.state(wallet(ENTITY, person.client, person.currency)).available
        sold = Money(self.chance.randint(0, there) + 1, person.currency)
        rate = self.desk.rate(sold, into, self.schedule.now)
        if rate is None:
            return
        quote = self._id(7)

        def offer(decision: Decision) -> None:
            quotes.give(
                decision,
                quote,
                client=person.client,
                entity=ENTITY,
                sold=sold,
                into=into,
                quote=rate,
                markup_bps=MARKUP,
                valid_for=timedelta(seconds=60),
            )

        if self._says("quote", quote, offer) is None:
            return
        for _ in range(self.chance.choice((1, 1, 2))):
            act = partial(self._uses, person, quote)
            self.schedule.after(self.chance.randrange(80), "uses the quote", act)

    def _uses(self, person: Person, quote: UUID) -> None:
        name = self._id(8)

        def use(decision: Decision) -> None:
            exchange(decision, name, client=person.client, entity=ENTITY, quote_id=quote)

        self._says("exchange", name, use)
