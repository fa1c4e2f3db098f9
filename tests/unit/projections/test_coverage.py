"""No fact is forgotten: each is folded into a read model, or named here as one that is not."""

from __future__ import annotations

from clients.facts import ActivityNoted, ClientRegistered, TradingAccountLinked
from compliance import facts as compliance
from ledger import facts as ledger
from payments import facts as payments
from payments.payout import PayoutPhase
from payments.withdrawal import WithdrawalStatus
from projections.rows import Folded
from projections.runner import PROJECTIONS
from projections.withdrawals import WithdrawalPhase
from tests.unit.projections.house import VOCABULARY

LISTED = {
    ClientRegistered,
    TradingAccountLinked,
    payments.ReviewOpened,
    payments.FundsConverted,
}
NOT_SHOWN = {
    ledger.BookOpened,
    ledger.RatePublished,  # read from the log by whoever quotes
    ActivityNoted,  # evidence, read from the client's stream when a dispute asks
    payments.NoticeReceived,
    payments.NoticeApplied,
    payments.NoticeParked,
    payments.EventsRead,
    payments.PaymentLinked,
    payments.RefundLinked,
    payments.LineBooked,
    payments.PaymentClaimed,
    payments.PaymentUncertain,
    payments.DepositChargedBack,  # its postings and the dispute's own amounts are shown
    payments.QuoteGiven,
    payments.QuoteAccepted,
    payments.PayoutLineBooked,
    payments.SettlementPaid,
    payments.SettlementFailed,
    compliance.SecondPersonAsked,  # what it was asked for is shown once it is done
    compliance.SecondPersonAgreed,
}


def test_a_withdrawal_has_a_phase_for_every_status_of_its_own_and_of_its_payout() -> None:
    of_both = {str(status) for status in (*WithdrawalStatus, *PayoutPhase)}

    assert {str(phase) for phase in WithdrawalPhase} == of_both - {"none"}


def test_every_fact_is_folded_or_named_as_not_shown() -> None:
    folded = {kind for p in PROJECTIONS if isinstance(p, Folded) for kind in p.keys}
    posted = {f for f in VOCABULARY.facts.values() if "entry" in f.__struct_fields__}

    shown = folded | posted | LISTED

    assert set(VOCABULARY.facts.values()) - shown == NOT_SHOWN
    assert not shown & NOT_SHOWN
