"""The life of a dispute: a case that moves no money, and balance lines that do."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from adapters.psp.stripe.simulator import Terms
from ledger.money import Money
from payments.ports import CaseStatus
from tests.contracts.psp.conftest import StripeStage, accepted


def test_a_dispute_takes_money_and_fee_and_names_its_deadline(stage: StripeStage) -> None:
    payment = stage.paid()
    due_by = stage.clock() + timedelta(days=7)
    opened = stage.sim.open_dispute(str(payment.charge), 60_000, due_by=due_by)

    dispute = accepted(stage.provider.retrieve_dispute(opened["id"]))

    assert dispute.status is CaseStatus.NEEDS_RESPONSE
    assert (dispute.payment, dispute.charge) == (payment.reference, payment.charge)
    assert dispute.amount == Money(60_000, "EUR")
    assert dispute.due_by == due_by
    assert [(line.category, line.amount, line.fee) for line in dispute.lines] == [
        ("dispute", -60_000, 1_500)
    ]


def test_a_dispute_that_is_won_gives_the_money_back_and_keeps_the_fee(stage: StripeStage) -> None:
    opened = stage.sim.open_dispute(str(stage.paid().charge))
    stage.sim.close_dispute(opened["id"], "won")

    dispute = accepted(stage.provider.retrieve_dispute(opened["id"]))

    assert dispute.status is CaseStatus.WON
    assert [(line.category, line.amount) for line in dispute.lines] == [
        ("dispute", -100_000),
        ("dispute_reversal", 100_000),
    ]
    assert sum(line.net for line in dispute.lines) == -1_500


def test_a_dispute_that_is_lost_moves_nothing_more(stage: StripeStage) -> None:
    opened = stage.sim.open_dispute(str(stage.paid().charge))
    before = accepted(stage.provider.retrieve_dispute(opened["id"]))
    stage.sim.close_dispute(opened["id"], "lost")
    after = accepted(stage.provider.retrieve_dispute(opened["id"]))

    assert after.status is CaseStatus.LOST
    assert after.lines == before.lines


def test_an_inquiry_moves_no_money_until_it_becomes_a_dispute(stage: StripeStage) -> None:
    first, second = (
        stage.sim.open_dispute(str(stage.paid().charge), inquiry=True)["id"] for _ in range(2)
    )
    stage.sim.close_dispute(first, "lost")
    closed = accepted(stage.provider.retrieve_dispute(first))
    inquiry = accepted(stage.provider.retrieve_dispute(second))
    stage.sim.escalate_dispute(second)
    dispute = accepted(stage.provider.retrieve_dispute(second))

    assert closed.status is CaseStatus.WARNING_CLOSED
    assert inquiry.status is CaseStatus.WARNING_NEEDS_RESPONSE
    assert closed.lines == inquiry.lines == ()
    assert dispute.status is CaseStatus.NEEDS_RESPONSE
    assert len(dispute.lines) == 1


def test_disputed_money_leaves_in_the_settlement_currency_at_the_days_rate() -> None:
    rates = iter([Decimal("0.84"), Decimal("0.84"), Decimal("0.90"), Decimal("0.90")])
    terms = Terms(settles={"eur": "gbp"}, rate=lambda _source, _target: next(rates))
    with StripeStage(terms=terms) as stage:
        payment = stage.paid()
        opened = stage.sim.open_dispute(str(payment.charge))
        dispute = accepted(stage.provider.retrieve_dispute(opened["id"]))

        assert payment.settlement is not None
        assert (payment.settlement.currency, payment.settlement.amount) == ("GBP", 84_000)
        assert [(line.currency, line.amount) for line in dispute.lines] == [("GBP", -90_000)]
        assert dispute.amount == Money(100_000, "EUR")
