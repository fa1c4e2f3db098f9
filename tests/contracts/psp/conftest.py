"""The stages on which the port's suite is played: an adapter, and a simulator of its provider."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import pytest

from adapters.outgoing import Listed
from adapters.psp.stripe.client import StripeApi
from adapters.psp.stripe.provider import Stripe
from adapters.psp.stripe.simulator import ManualClock, Plan, StripeSimulator, Terms
from adapters.psp.stripe.translate import Translator
from adapters.psp.stripe.webhook import Webhook
from ledger.money import Money
from payments.ports import Accepted, Answer, PaymentNotice, PayoutNotice, Recipient, RefundNotice

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "whsec_contract"
TIMEOUT_S = 0.5
N = TypeVar("N")


def accepted(answer: Answer[N]) -> N:
    """Take the notice out of an answer that must be a yes."""
    assert isinstance(answer, Accepted), answer
    return answer.notice


class StripeStage:
    """Stripe's adapter in front of its simulator, and the acts of the world around them."""

    def __init__(self, *, terms: Terms | None = None, post: Plan | None = None) -> None:
        self.clock = ManualClock()
        self.sim = StripeSimulator(7, self.clock, terms=terms, post=post, signed_at=self.clock)
        self.sim.faults.stall_s = 3 * TIMEOUT_S
        self.api = StripeApi(
            "sk_test_contract", outgoing=Listed(), address=self.sim.url, timeout_s=TIMEOUT_S
        )
        door = Webhook(Translator("stripe-eu", live=False), (SECRET,))
        self.provider = Stripe(self.api, door, financial_account="fa_1")
        self._ids = itertools.count(1)

    def __enter__(self) -> StripeStage:
        self.sim.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self.sim.stop()

    def new_id(self) -> UUID:
        return UUID(int=next(self._ids))

    def new_key(self) -> str:
        return f"key-{next(self._ids)}"

    def opened(self, amount: Money | None = None, *, capture: bool = True) -> PaymentNotice:
        return accepted(
            self.provider.create_payment(
                deposit=self.new_id(),
                amount=amount or Money(100_000, "EUR"),
                idempotency_key=self.new_key(),
                capture=capture,
            )
        )

    def paid(self, amount: Money | None = None) -> PaymentNotice:
        payment = self.opened(amount)
        self.sim.pay(payment.reference)
        return accepted(self.provider.retrieve_payment(payment.reference))

    def refunded(self, payment: PaymentNotice, minor: int) -> RefundNotice:
        return accepted(
            self.provider.refund(
                payment.reference,
                amount=Money(minor, payment.amount.currency),
                payout=self.new_id(),
                idempotency_key=self.new_key(),
            )
        )

    def recipient(self, match: str = "match") -> Recipient:
        return Recipient(*self.sim.add_recipient(match))

    def verified(self, recipient: Recipient) -> str:
        answer = self.provider.verify_recipient(recipient, idempotency_key=self.new_key())
        return accepted(answer).reference

    def paid_out(self, amount: Money | None = None) -> PayoutNotice:
        recipient = self.recipient()
        return accepted(
            self.provider.pay_out(
                recipient,
                amount=amount or Money(30_412, "EUR"),
                payout=self.new_id(),
                verification=self.verified(recipient),
                idempotency_key=self.new_key(),
            )
        )


@pytest.fixture(scope="module")
def stage() -> Iterator[StripeStage]:
    """One simulator for a module: its tests only touch what they made themselves."""
    with StripeStage() as found:
        yield found


@pytest.fixture
def fresh() -> Iterator[StripeStage]:
    """A simulator of the test's own."""
    with StripeStage() as found:
        yield found
