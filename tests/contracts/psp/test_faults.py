"""What the port answers when a call goes wrong: declined only where nothing can have happened."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.outbound import OutboundRefused
from adapters.outgoing import Listed
from adapters.psp.stripe.client import StripeApi
from adapters.psp.stripe.provider import Stripe
from adapters.psp.stripe.simulator import Fault, Faults
from ledger.money import Money
from payments.ports import Declined, Unknown
from tests.contracts.psp.conftest import StripeStage, accepted

AFTER = [Fault.CUT_AFTER, Fault.STALL_AFTER, Fault.SERVER_ERROR_AFTER, Fault.GARBAGE_AFTER]
BEFORE = [Fault.CUT_BEFORE, Fault.SERVER_ERROR, Fault.CONFLICT]


@pytest.mark.parametrize("fault", AFTER)
def test_a_refund_without_an_answer_is_unknown_and_found_by_our_id(
    stage: StripeStage, fault: Fault
) -> None:
    payment, payout = stage.paid(), stage.new_id()
    stage.sim.faults.next(fault, path="/v1/refunds")

    answer = stage.provider.refund(
        payment.reference,
        amount=Money(100, "EUR"),
        payout=payout,
        idempotency_key=stage.new_key(),
    )
    found = accepted(stage.provider.find_refund(payout, payment=payment.reference))

    assert isinstance(answer, Unknown)
    assert found is not None
    assert found.payout == payout


@pytest.mark.parametrize("fault", BEFORE)
def test_a_refund_that_never_began_is_unknown_too_and_found_nowhere(
    stage: StripeStage, fault: Fault
) -> None:
    payment, payout = stage.paid(), stage.new_id()
    stage.sim.faults.next(fault, path="/v1/refunds")

    answer = stage.provider.refund(
        payment.reference,
        amount=Money(100, "EUR"),
        payout=payout,
        idempotency_key=stage.new_key(),
    )

    assert isinstance(answer, Unknown)
    assert accepted(stage.provider.find_refund(payout, payment=payment.reference)) is None


@pytest.mark.parametrize("fault", [Fault.CUT_AFTER, Fault.STALL_AFTER])
def test_a_payment_and_a_payout_without_an_answer_are_found_by_our_id(
    stage: StripeStage, fault: Fault
) -> None:
    deposit, payout, recipient = stage.new_id(), stage.new_id(), stage.recipient()
    verification = stage.verified(recipient)
    stage.sim.faults.next(fault, path="/v1/payment_intents")
    stage.sim.faults.next(fault, path="/v2/money_management/outbound_payments")

    lost_payment = stage.provider.create_payment(
        deposit=deposit, amount=Money(100, "EUR"), idempotency_key=stage.new_key()
    )
    lost_payout = stage.provider.pay_out(
        recipient,
        amount=Money(100, "EUR"),
        payout=payout,
        verification=verification,
        idempotency_key=stage.new_key(),
    )
    payment = accepted(stage.provider.find_payment(deposit, created_after=stage.clock()))
    sent = accepted(stage.provider.find_payout(payout, created_after=stage.clock()))

    assert isinstance(lost_payment, Unknown)
    assert isinstance(lost_payout, Unknown)
    assert payment is not None
    assert payment.deposit == deposit
    assert sent is not None
    assert sent.payout == payout


def test_looks_through_more_than_a_page(fresh: StripeStage) -> None:
    deposit = fresh.new_id()
    accepted(
        fresh.provider.create_payment(
            deposit=deposit, amount=Money(100, "EUR"), idempotency_key="first"
        )
    )
    payouts = [fresh.paid_out().payout for _ in range(120)]
    for _ in range(120):
        fresh.opened()

    payment = accepted(fresh.provider.find_payment(deposit, created_after=fresh.clock()))
    assert payouts[0] is not None
    payout = accepted(fresh.provider.find_payout(payouts[0], created_after=fresh.clock()))

    assert payment is not None
    assert payment.deposit == deposit
    assert payout is not None
    assert payout.payout == payouts[0]


def test_does_not_find_what_was_made_at_another_time(fresh: StripeStage) -> None:
    payment = fresh.opened()
    long_after = fresh.clock() + timedelta(days=1)
    assert payment.deposit is not None

    assert accepted(fresh.provider.find_payment(payment.deposit, created_after=long_after)) is None


def test_too_many_calls_is_a_no_that_may_be_repeated(stage: StripeStage) -> None:
    stage.sim.faults.next(Fault.RATE_LIMITED)

    answer = stage.provider.create_payment(
        deposit=stage.new_id(), amount=Money(100, "EUR"), idempotency_key=stage.new_key()
    )

    assert isinstance(answer, Declined)
    assert answer.code == "rate_limited"
    assert answer.may_retry


def test_a_decline_carries_the_issuers_reason(stage: StripeStage) -> None:
    stage.sim.faults.next(Fault.DECLINE)

    answer = stage.provider.create_payment(
        deposit=stage.new_id(), amount=Money(100, "EUR"), idempotency_key=stage.new_key()
    )

    assert isinstance(answer, Declined)
    assert answer.code == "insufficient_funds"


def test_a_provider_that_cannot_be_reached_did_nothing(stage: StripeStage) -> None:
    with StripeStage() as gone:
        address = gone.sim.url
    api = StripeApi("sk_test_contract", outgoing=Listed(), address=address, timeout_s=0.5)

    answer = Stripe(api, stage.provider.webhook, "fa_1").retrieve_payment("pi_1")
    api.close()

    assert isinstance(answer, Declined)
    assert answer.code == "unreachable"
    assert answer.may_retry


def test_wrong_credentials_are_a_no_for_now(stage: StripeStage) -> None:
    api = StripeApi("pk_wrong", outgoing=Listed(), address=stage.sim.url, timeout_s=0.5)

    answer = Stripe(api, stage.provider.webhook, "fa_1").retrieve_payment("pi_1")
    api.close()

    assert isinstance(answer, Declined)
    assert answer.code == "not_authorised"


def test_refuses_an_address_that_is_neither_loopback_nor_encrypted() -> None:
    with pytest.raises(OutboundRefused):
        StripeApi("sk_test_contract", outgoing=Listed(), address="http://stripe.example")


def test_sends_every_request_once(stage: StripeStage) -> None:
    """The SDK would repeat a 500 twice by itself; repeating is not the client's to decide."""
    stage.sim.faults.next(Fault.SERVER_ERROR_AFTER, path="/v1/refunds", times=2)
    payment, met = stage.paid(), len(stage.sim.faults.met)

    stage.provider.refund(
        payment.reference,
        amount=Money(100, "EUR"),
        payout=stage.new_id(),
        idempotency_key=stage.new_key(),
    )

    assert len(stage.sim.faults.met) == met + 1
    assert stage.sim.faults.pick("POST", "/v1/refunds") is Fault.SERVER_ERROR_AFTER


def test_a_stored_500_is_answered_again_and_nothing_is_done_twice(stage: StripeStage) -> None:
    payment, payout, key = stage.paid(), stage.new_id(), stage.new_key()
    stage.sim.faults.next(Fault.SERVER_ERROR_AFTER, path="/v1/refunds")
    answers = [
        stage.provider.refund(
            payment.reference, amount=Money(100, "EUR"), payout=payout, idempotency_key=key
        )
        for _ in range(2)
    ]
    refunds = [r for r in stage.sim.world.all("refund") if r["payment_intent"] == payment.reference]

    assert all(isinstance(answer, Unknown) for answer in answers)
    assert len(refunds) == 1


def test_planned_faults_follow_the_seed() -> None:
    def met(seed: int) -> list[Fault | None]:
        plan = Faults(seed, {Fault.CONFLICT: 100, Fault.CUT_AFTER: 100})
        return [plan.pick("POST", "/v1/refunds") for _ in range(200)]

    assert met(1) == met(1) != met(2)
    assert 20 <= sum(fault is not None for fault in met(1)) <= 60
