"""Deposits and refunds through the port."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from adapters.psp.stripe.simulator import Terms
from ledger.money import Money
from payments.ports import (
    Accepted,
    Declined,
    PaymentStatus,
    RefundStatus,
    Unknown,
)
from tests.contracts.psp.conftest import StripeStage, accepted

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.world import Obj


def test_opens_a_payment_with_a_token_for_the_browser(stage: StripeStage) -> None:
    deposit = stage.new_id()

    answer = stage.provider.create_payment(
        deposit=deposit, amount=Money(100_000, "EUR"), idempotency_key=stage.new_key()
    )

    assert isinstance(answer, Accepted)
    assert answer.client_token
    assert answer.notice.deposit == deposit
    assert answer.notice.status is PaymentStatus.INITIATED
    assert answer.notice.received == Money(0, "EUR")


def test_a_paid_payment_shows_money_fee_and_instrument(stage: StripeStage) -> None:
    payment = stage.paid(Money(100_000, "EUR"))

    assert payment.status is PaymentStatus.SUCCEEDED
    assert payment.received == Money(100_000, "EUR")
    assert payment.instrument
    assert payment.settlement is not None
    assert (payment.settlement.amount, payment.settlement.fee) == (100_000, 1_525)


def test_the_same_instrument_has_one_fingerprint(stage: StripeStage) -> None:
    first, second, other = stage.opened(), stage.opened(), stage.opened()
    stage.sim.pay(first.reference, instrument="a")
    stage.sim.pay(second.reference, instrument="a")
    stage.sim.pay(other.reference, instrument="b")

    found = [
        accepted(stage.provider.retrieve_payment(p.reference)).instrument
        for p in (first, second, other)
    ]

    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("declined", PaymentStatus.FAILED),
        ("requires_action", PaymentStatus.REQUIRES_ACTION),
        ("processing", PaymentStatus.PROCESSING),
    ],
)
def test_a_payment_may_stop_on_the_way_and_still_succeed(
    stage: StripeStage, outcome: str, status: PaymentStatus
) -> None:
    payment = stage.opened()
    stage.sim.pay(payment.reference, outcome)
    stopped = accepted(stage.provider.retrieve_payment(payment.reference))
    stage.sim.pay(payment.reference)
    done = accepted(stage.provider.retrieve_payment(payment.reference))

    assert stopped.status is status
    assert stopped.received.is_zero
    assert done.status is PaymentStatus.SUCCEEDED


def test_captures_a_part_of_an_authorised_payment(stage: StripeStage) -> None:
    payment = stage.opened(capture=False)
    stage.sim.pay(payment.reference)
    held = accepted(stage.provider.retrieve_payment(payment.reference))

    captured = accepted(
        stage.provider.capture_payment(
            payment.reference, amount=Money(60_000, "EUR"), idempotency_key=stage.new_key()
        )
    )

    assert held.status is PaymentStatus.AUTHORISED
    assert held.received.is_zero
    assert captured.received == Money(60_000, "EUR")
    assert captured.settlement is not None


def test_cancels_a_payment_but_not_a_captured_one(stage: StripeStage) -> None:
    provider = stage.provider
    opened = stage.opened()

    cancelled = accepted(provider.cancel_payment(opened.reference, idempotency_key=stage.new_key()))
    refused = provider.cancel_payment(stage.paid().reference, idempotency_key=stage.new_key())

    assert cancelled.status is PaymentStatus.CANCELLED
    assert isinstance(refused, Declined)


@pytest.mark.parametrize(
    "amount", [Money(1_000, "JPY"), Money(12_340, "KWD"), Money(500, "ISK"), Money(5, "USD")]
)
def test_amounts_survive_the_way_there_and_back(stage: StripeStage, amount: Money) -> None:
    assert stage.paid(amount).received == amount


def test_an_amount_that_the_provider_has_not_is_declined_without_a_call(
    stage: StripeStage,
) -> None:
    before = len(stage.sim.world.objects["payment_intent"])

    answer = stage.provider.create_payment(
        deposit=stage.new_id(), amount=Money(12_341, "KWD"), idempotency_key=stage.new_key()
    )

    assert isinstance(answer, Declined)
    assert len(stage.sim.world.objects["payment_intent"]) == before


def test_refunds_in_parts_and_never_more_than_was_paid(stage: StripeStage) -> None:
    payment = stage.paid()
    first = stage.refunded(payment, 40_000)

    over = stage.provider.refund(
        payment.reference,
        amount=Money(60_001, "EUR"),
        payout=stage.new_id(),
        idempotency_key=stage.new_key(),
    )
    rest = stage.refunded(payment, 60_000)
    more = stage.provider.refund(
        payment.reference,
        amount=Money(1, "EUR"),
        payout=stage.new_id(),
        idempotency_key=stage.new_key(),
    )

    assert first.line is not None
    assert first.line.amount == -40_000
    assert rest.status is RefundStatus.SUCCEEDED
    assert isinstance(over, Declined)
    assert isinstance(more, Declined)
    assert more.code == "charge_already_refunded"


def test_a_disputed_charge_is_not_refunded(stage: StripeStage) -> None:
    payment = stage.paid()
    stage.sim.open_dispute(str(payment.charge))

    answer = stage.provider.refund(
        payment.reference,
        amount=Money(100, "EUR"),
        payout=stage.new_id(),
        idempotency_key=stage.new_key(),
    )

    assert answer == Declined("charge_disputed", answer.detail)  # type: ignore[union-attr]


def test_a_refund_may_fail_days_after_it_succeeded(fresh: StripeStage) -> None:
    payment = fresh.paid()
    refund = fresh.refunded(payment, 40_000)
    fresh.sim.fail_refund_later(refund.reference, timedelta(days=3))
    fresh.sim.advance(timedelta(days=2))
    before = accepted(fresh.provider.retrieve_refund(refund.reference))
    fresh.sim.advance(timedelta(days=2))
    after = accepted(fresh.provider.retrieve_refund(refund.reference))

    assert before.status is RefundStatus.SUCCEEDED
    assert after.status is RefundStatus.FAILED
    assert after.failure_code
    assert after.failure_line is not None
    assert after.failure_line.amount == 40_000
    assert after.happened_at > before.happened_at
    assert fresh.refunded(payment, 100_000).status is RefundStatus.SUCCEEDED


def test_refunds_may_wait_before_they_succeed() -> None:
    with StripeStage(terms=Terms(refunds_wait=True)) as stage:
        refund = stage.refunded(stage.paid(), 40_000)
        stage.sim.finish_refund(refund.reference)

        assert refund.status is RefundStatus.PENDING
        assert (
            accepted(stage.provider.retrieve_refund(refund.reference)).status
            is RefundStatus.SUCCEEDED
        )


def test_a_settlement_in_another_currency_shows_the_providers_rate() -> None:
    terms = Terms(settles={"kwd": "gbp"}, rate=lambda _source, _target: Decimal("2.4"))
    with StripeStage(terms=terms) as stage:
        payment = stage.paid(Money(100_000, "KWD"))

        assert payment.received == Money(100_000, "KWD")
        assert payment.settlement is not None
        assert payment.settlement.currency == "GBP"
        assert payment.settlement.amount == 24_000
        assert payment.settlement.exchange_rate == Decimal("2.4")


def test_the_same_key_pays_back_once(stage: StripeStage) -> None:
    payment, payout, key = stage.paid(), stage.new_id(), stage.new_key()
    answers = [
        stage.provider.refund(
            payment.reference, amount=Money(100, "EUR"), payout=payout, idempotency_key=key
        )
        for _ in range(3)
    ]

    assert answers[0] == answers[1] == answers[2]
    assert _refunded(stage, payment.reference) == 100


def test_the_same_key_with_other_contents_is_unknown_not_declined(stage: StripeStage) -> None:
    """Something *was* done under the key: whoever releases a hold now pays twice."""
    payment, payout, key = stage.paid(), stage.new_id(), stage.new_key()
    accepted(
        stage.provider.refund(
            payment.reference, amount=Money(100, "EUR"), payout=payout, idempotency_key=key
        )
    )

    answer = stage.provider.refund(
        payment.reference, amount=Money(200, "EUR"), payout=payout, idempotency_key=key
    )

    assert isinstance(answer, Unknown)
    assert _refunded(stage, payment.reference) == 100


def test_a_key_is_forgotten_after_a_day(fresh: StripeStage) -> None:
    """The control of every sweep: after a day the key protects nobody, only asking does."""
    payment, payout, key = fresh.paid(), fresh.new_id(), fresh.new_key()
    for hours in (0, 23, 2):
        fresh.sim.advance(timedelta(hours=hours))
        accepted(
            fresh.provider.refund(
                payment.reference, amount=Money(100, "EUR"), payout=payout, idempotency_key=key
            )
        )

    assert _refunded(fresh, payment.reference) == 200


def test_what_never_was_is_not_found(stage: StripeStage) -> None:
    for answer in (
        stage.provider.retrieve_payment("pi_nothing"),
        stage.provider.retrieve_refund("re_nothing"),
        stage.provider.retrieve_payout("obp_nothing"),
        stage.provider.retrieve_dispute("dp_nothing"),
        stage.provider.retrieve_settlement("po_nothing"),
    ):
        assert isinstance(answer, Declined)
        assert answer.code == "not_found"
        assert not answer.may_retry


def _refunded(stage: StripeStage, payment: str) -> int:
    charge: Obj = stage.sim.world.get(
        "charge", stage.sim.world.get("payment_intent", payment)["latest_charge"]
    )
    return int(charge["amount_refunded"])
