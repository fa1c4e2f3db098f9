"""Payouts to clients, recipients, and the provider's own settlement to our bank."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledger.money import Money
from payments.ports import (
    Declined,
    MatchResult,
    PayoutStatus,
    SettlementStatus,
)
from tests.contracts.psp.conftest import StripeStage, accepted


def test_pays_a_verified_recipient(stage: StripeStage) -> None:
    payout = stage.paid_out(Money(30_412, "EUR"))

    assert payout.status is PayoutStatus.PROCESSING
    assert payout.amount == Money(30_412, "EUR")


@pytest.mark.parametrize("match", ["match", "close_match", "no_match", "unavailable"])
def test_tells_whether_the_name_fits_the_account(stage: StripeStage, match: str) -> None:
    answer = stage.provider.verify_recipient(
        stage.recipient(match), idempotency_key=stage.new_key()
    )

    assert accepted(answer).result is MatchResult(match)


def test_a_recipient_who_was_not_verified_is_not_paid(stage: StripeStage) -> None:
    recipient, stranger = stage.recipient(), stage.recipient("no_match")
    used = stage.verified(recipient)

    def pay(verification: str | None, to: str = "") -> object:
        return stage.provider.pay_out(
            stranger if to else recipient,
            amount=Money(100, "EUR"),
            payout=stage.new_id(),
            verification=verification,
            idempotency_key=stage.new_key(),
        )

    accepted(pay(used))  # type: ignore[arg-type]
    answers = [pay(None), pay(used), pay(stage.verified(stranger), "stranger")]

    assert [answer.code for answer in answers if isinstance(answer, Declined)] == [
        "verification_not_initiated",
        "verification_attempt_failed",
        "verification_attempt_failed",
    ]


def test_a_verification_is_good_for_five_minutes(fresh: StripeStage) -> None:
    recipient = fresh.recipient()
    verification = fresh.verified(recipient)
    fresh.sim.advance(timedelta(minutes=6))

    answer = fresh.provider.pay_out(
        recipient,
        amount=Money(100, "EUR"),
        payout=fresh.new_id(),
        verification=verification,
        idempotency_key="k",
    )

    assert isinstance(answer, Declined)
    assert answer.code == "verification_expired"
    assert answer.may_retry


def test_a_payout_that_was_posted_may_be_returned(stage: StripeStage) -> None:
    payout = stage.paid_out()
    stage.sim.post_outbound(payout.reference)
    posted = accepted(stage.provider.retrieve_payout(payout.reference))
    stage.sim.return_outbound(payout.reference)
    returned = accepted(stage.provider.retrieve_payout(payout.reference))

    assert posted.status is PayoutStatus.POSTED
    assert returned.status is PayoutStatus.RETURNED
    assert returned.reason == "payout_method_closed"
    assert returned.payout == payout.payout


def test_a_payout_may_fail_before_it_leaves(stage: StripeStage) -> None:
    payout = stage.paid_out()
    stage.sim.fail_outbound(payout.reference)

    failed = accepted(stage.provider.retrieve_payout(payout.reference))

    assert (failed.status, failed.reason) == (PayoutStatus.FAILED, "payout_method_declined")


def test_an_empty_account_is_a_no_until_it_is_filled(fresh: StripeStage) -> None:
    fresh.sim.set_financial_balance("eur", 99)
    recipient = fresh.recipient()
    verification = fresh.verified(recipient)

    def pay(key: str) -> object:
        return fresh.provider.pay_out(
            recipient,
            amount=Money(100, "EUR"),
            payout=fresh.new_id(),
            verification=verification,
            idempotency_key=key,
        )

    refused = pay("k1")
    fresh.sim.set_financial_balance("eur", 100)

    assert isinstance(refused, Declined)
    assert refused.code == "insufficient_funds"
    assert refused.may_retry
    assert accepted(pay("k2")).status is PayoutStatus.PROCESSING  # type: ignore[arg-type]


def test_a_settlement_pays_exactly_its_lines(fresh: StripeStage) -> None:
    for amount in (100_000, 50_000):
        fresh.paid(Money(amount, "EUR"))
    refund = fresh.refunded(fresh.paid(Money(20_000, "EUR")), 5_000)
    fresh.paid(Money(70_000, "USD"))
    assert fresh.sim.settle() == [], "nothing is available yet"
    fresh.sim.advance(timedelta(days=2))

    payouts = {payout["currency"]: payout["id"] for payout in fresh.sim.settle()}
    settlement = accepted(fresh.provider.retrieve_settlement(payouts["eur"]))
    lines = accepted(fresh.provider.balance_lines(settlement=payouts["eur"]))
    paid = [line for line in lines if line.type != "payout"]

    assert sorted(payouts) == ["eur", "usd"]
    assert settlement.status is SettlementStatus.IN_TRANSIT
    assert sum(line.net for line in paid) == settlement.amount.minor
    assert sum(line.net for line in lines) == 0
    assert refund.line in paid
    assert fresh.sim.settle() == [], "every line is paid once"


def test_a_settlement_that_was_paid_may_fail(fresh: StripeStage) -> None:
    fresh.paid()
    (payout,) = fresh.sim.settle(early=True)
    fresh.sim.pay_settlement(payout["id"])
    paid = accepted(fresh.provider.retrieve_settlement(payout["id"]))
    fresh.sim.fail_settlement(payout["id"])
    failed = accepted(fresh.provider.retrieve_settlement(payout["id"]))
    (again,) = fresh.sim.settle(early=True)
    everything = accepted(fresh.provider.balance_lines())

    assert (paid.status, failed.status) == (SettlementStatus.PAID, SettlementStatus.FAILED)
    assert failed.failure_code == "account_closed"
    assert again["amount"] == payout["amount"]
    assert sum(line.net for line in everything) == 0


def test_reads_lines_since_a_time_over_all_pages(fresh: StripeStage) -> None:
    fresh.paid()
    fresh.sim.advance(timedelta(hours=1))
    since = fresh.clock()
    for _ in range(130):
        fresh.sim.pay(fresh.opened().reference)

    lines = accepted(fresh.provider.balance_lines(created_after=since))

    assert len(lines) == 130
    assert len({line.reference for line in lines}) == 130
    assert len(accepted(fresh.provider.balance_lines())) == 131
