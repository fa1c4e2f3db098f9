"""Stripe's objects in our words, also when Stripe says something we never heard of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from adapters.psp.stripe.events import delivery
from adapters.psp.stripe.translate import Translator
from ledger.errors import InvalidInput
from ledger.money import Money
from payments.notices import (
    CaseStatus,
    DisputeNotice,
    Mention,
    ObjectKind,
    PaymentNotice,
    PaymentStatus,
    PayoutStatus,
    RefundNotice,
    RefundStatus,
    Report,
    SettlementStatus,
    Unrecognised,
)

OURS = Translator("stripe-eu", live=False)
AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
T0 = 1790845200
DEPOSIT = UUID(int=7)

INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 100_000,
    "amount_received": 100_000,
    "created": T0,
    "currency": "eur",
    "last_payment_error": None,
    "latest_charge": "ch_1",
    "livemode": False,
    "metadata": {"counterfoil_deposit": str(DEPOSIT)},
    "status": "succeeded",
}
CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "object": "charge",
    "amount": 100_000,
    "amount_captured": 100_000,
    "balance_transaction": "txn_1",
    "captured": True,
    "created": T0,
    "currency": "eur",
    "failure_code": None,
    "livemode": False,
    "metadata": {"counterfoil_deposit": str(DEPOSIT)},
    "payment_intent": "pi_1",
    "payment_method_details": {"card": {"fingerprint": "card_a"}, "type": "card"},
    "status": "succeeded",
}
LINE: dict[str, Any] = {
    "id": "txn_1",
    "object": "balance_transaction",
    "amount": 84_000,
    "available_on": T0 + 172_800,
    "created": T0 + 60,
    "currency": "gbp",
    "exchange_rate": Decimal("0.84"),
    "fee": 1_500,
    "net": 82_500,
    "reporting_category": "charge",
    "source": "ch_1",
    "type": "charge",
}
DISPUTE: dict[str, Any] = {
    "id": "dp_1",
    "object": "dispute",
    "amount": 100_000,
    "balance_transactions": [],
    "charge": "ch_1",
    "created": T0,
    "currency": "eur",
    "evidence_details": {"due_by": T0 + 864_000, "past_due": False},
    "livemode": False,
    "network_reason_code": "10.4",
    "payment_intent": "pi_1",
    "reason": "fraudulent",
    "status": "needs_response",
}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 50_000,
    "charge": "ch_1",
    "created": T0,
    "currency": "eur",
    "metadata": {},
    "payment_intent": "pi_1",
    "status": "succeeded",
}


def report(name: str, obj: dict[str, Any]) -> Report:
    event = {
        "id": "evt_1",
        "object": "event",
        "created": T0 + 90,
        "data": {"object": obj},
        "livemode": False,
        "type": name,
    }
    return delivery(event, raw=b"", translator=OURS).report


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("requires_payment_method", PaymentStatus.INITIATED),
        ("requires_confirmation", PaymentStatus.INITIATED),
        ("requires_action", PaymentStatus.REQUIRES_ACTION),
        ("processing", PaymentStatus.PROCESSING),
        ("requires_capture", PaymentStatus.AUTHORISED),
        ("succeeded", PaymentStatus.SUCCEEDED),
        ("canceled", PaymentStatus.CANCELLED),
        ("settling_by_pigeon", PaymentStatus.UNKNOWN),
    ],
)
def test_a_payment_stands_where_stripe_says(raw: str, status: PaymentStatus) -> None:
    notice = OURS.payment({**INTENT, "status": raw})

    assert (notice.status, notice.raw_status) == (status, raw)
    assert notice.deposit == DEPOSIT


def test_a_declined_attempt_is_a_failed_payment_with_its_reason() -> None:
    error = {"code": "card_declined", "decline_code": "insufficient_funds"}
    tried = {**INTENT, "status": "requires_payment_method", "last_payment_error": error}

    notice = OURS.payment(tried)

    assert notice.status is PaymentStatus.FAILED
    assert notice.failure_code == "insufficient_funds"


def test_a_payment_shown_with_its_charge_tells_instrument_line_and_time() -> None:
    charge = {**CHARGE, "balance_transaction": LINE}

    notice = OURS.payment({**INTENT, "latest_charge": charge})

    assert notice.charge == "ch_1"
    assert notice.instrument == "card_a"
    assert notice.settlement is not None
    assert notice.settlement.exchange_rate == Decimal("0.84")
    assert (notice.settlement.currency, notice.settlement.net) == ("GBP", 82_500)
    assert notice.happened_at == notice.settlement.created_at


def test_the_events_time_is_when_it_happened() -> None:
    found = report("payment_intent.succeeded", INTENT)

    assert isinstance(found, PaymentNotice)
    assert found.happened_at == datetime.fromtimestamp(T0 + 90, UTC)
    assert found.created_at == datetime.fromtimestamp(T0, UTC)


def test_a_charge_speaks_of_its_payment_and_never_invents_its_creation_time() -> None:
    found = report("charge.succeeded", CHARGE)

    assert isinstance(found, PaymentNotice)
    assert (found.reference, found.charge, found.instrument) == ("pi_1", "ch_1", "card_a")
    assert found.created_at is None
    assert found.received == Money(100_000, "EUR")


def test_an_uncaptured_charge_is_an_authorised_payment() -> None:
    found = report("charge.succeeded", {**CHARGE, "captured": False, "amount_captured": 0})

    assert isinstance(found, PaymentNotice)
    assert found.status is PaymentStatus.AUTHORISED
    assert found.received.is_zero


def test_a_charge_without_our_id_only_names_its_payment() -> None:
    found = report("charge.succeeded", {**CHARGE, "metadata": {}})

    assert found == Mention(
        kind=ObjectKind.PAYMENT,
        reference="pi_1",
        happened_at=datetime.fromtimestamp(T0 + 90, UTC),
    )


@pytest.mark.parametrize("name", ["refund.updated", "refund.failed", "charge.refund.updated"])
def test_refunds_arrive_under_all_their_names(name: str) -> None:
    found = report(name, {**REFUND, "status": "failed", "failure_reason": "lost_or_stolen_card"})

    assert isinstance(found, RefundNotice)
    assert found.status is RefundStatus.FAILED
    assert found.failure_code == "lost_or_stolen_card"
    assert found.payout is None, "a refund by hand has no id of ours"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("warning_needs_response", CaseStatus.WARNING_NEEDS_RESPONSE),
        ("needs_response", CaseStatus.NEEDS_RESPONSE),
        ("appeal_under_review", CaseStatus.APPEAL_UNDER_REVIEW),
        ("won", CaseStatus.WON),
        ("prevented", CaseStatus.PREVENTED),
        ("arbitrated_by_coin", CaseStatus.UNKNOWN),
    ],
)
def test_a_case_stands_where_stripe_says(raw: str, status: CaseStatus) -> None:
    found = report("charge.dispute.updated", {**DISPUTE, "status": raw})

    assert isinstance(found, DisputeNotice)
    assert (found.status, found.raw_status) == (status, raw)


def test_a_deadline_of_zero_is_none() -> None:
    closed = {**DISPUTE, "evidence_details": {"due_by": 0, "past_due": False}}

    assert OURS.dispute(closed).due_by is None
    assert OURS.dispute(DISPUTE).due_by == datetime.fromtimestamp(T0 + 864_000, UTC)


def test_a_thin_event_only_names_its_object() -> None:
    event = {
        "id": "evt_2",
        "object": "v2.core.event",
        "created": "2026-10-01T12:00:00.000Z",
        "livemode": False,
        "related_object": {
            "id": "obp_1",
            "type": "v2.money_management.outbound_payment",
            "url": "https://elsewhere.example/steal",
        },
        "type": "v2.money_management.outbound_payment.posted",
    }

    found = delivery(event, raw=b"", translator=OURS)

    assert found.report == Mention(kind=ObjectKind.PAYOUT, reference="obp_1", happened_at=AT)


def test_an_outbound_payment_tells_when_and_why_it_came_back() -> None:
    payment = {
        "id": "obp_1",
        "object": "v2.money_management.outbound_payment",
        "amount": {"value": 30_412, "currency": "eur"},
        "created": "2026-09-20T08:00:00.000Z",
        "livemode": False,
        "metadata": {"counterfoil_payout": str(UUID(int=9))},
        "status": "returned",
        "status_details": {"returned": {"reason": "payout_method_closed"}},
        "status_transitions": {"returned_at": "2026-10-01T12:00:00.000Z"},
        "to": {"recipient": "acct_1"},
    }

    notice = OURS.payout(payment)

    assert notice.status is PayoutStatus.RETURNED
    assert (notice.payout, notice.reason) == (UUID(int=9), "payout_method_closed")
    assert notice.happened_at == AT
    assert OURS.payout({**payment, "status": "lost_at_sea"}).status is PayoutStatus.UNKNOWN


def test_a_stripe_payout_is_a_settlement_to_our_bank() -> None:
    payout = {
        "id": "po_1",
        "object": "payout",
        "amount": -500,
        "arrival_date": T0,
        "automatic": True,
        "created": T0,
        "currency": "eur",
        "livemode": False,
        "status": "failed",
        "failure_code": "account_closed",
    }

    notice = OURS.settlement(payout)

    assert notice.status is SettlementStatus.FAILED
    assert notice.amount == Money(-500, "EUR"), "a negative balance is collected from our bank"


@pytest.mark.parametrize(
    "broken",
    [
        {"amount": 1000.0},
        {"amount": "1000"},
        {"amount": -1},
        {"amount": True},
        {"amount": None},
        {"currency": "zzz"},
        {"currency": 7},
        {"id": "pi 1"},
        {"status": None},
        {"created": -5},
        {"latest_charge": 17},
        {"metadata": []},
        {"object": "refund"},
        {"livemode": True},
    ],
)
def test_nonsense_is_kept_and_never_acted_on(broken: dict[str, Any]) -> None:
    found = report("payment_intent.succeeded", {**INTENT, **broken})

    assert isinstance(found, Unrecognised)
    assert found.detail


@pytest.mark.parametrize("name", ["balance.available", "payment_link.created", "x", "charge"])
def test_an_unknown_type_is_kept_and_acknowledged(name: str) -> None:
    assert report(name, {"object": "thing"}) == Unrecognised(type=name)


def test_a_line_that_does_not_add_up_is_refused() -> None:
    assert OURS.line(LINE).net == 82_500
    with pytest.raises(InvalidInput):
        OURS.line({**LINE, "net": 82_501})


def test_metadata_of_others_are_not_ours() -> None:
    for value in ("", "not-an-id", "7"):
        meta = json.loads(json.dumps({"counterfoil_deposit": value}))
        assert OURS.payment({**INTENT, "metadata": meta}).deposit is None
