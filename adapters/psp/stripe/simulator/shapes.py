"""New objects in Stripe's shape: every field that the SDK's types promise, at its first value."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.world import Obj


def intent(reference: str, now: int, *, amount: int, currency: str, capture: str) -> Obj:
    """Shape a payment intent that waits for a payment method."""
    return {
        "id": reference,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "application": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": capture,
        "client_secret": f"{reference}_secret_{reference[-8:]}",
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "customer": None,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "processing": None,
        "status": "requires_payment_method",
    }


def charge(reference: str, now: int, *, paid_for: Obj, fingerprint: str) -> Obj:
    """Shape a charge of a payment intent; its metadata are a copy of the intent's."""
    return {
        "id": reference,
        "object": "charge",
        "amount": paid_for["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "captured": False,
        "created": now,
        "currency": paid_for["currency"],
        "customer": paid_for["customer"],
        "description": None,
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": dict(paid_for["metadata"]),
        "outcome": {"network_status": "approved_by_network", "type": "authorized"},
        "paid": True,
        "payment_intent": paid_for["id"],
        "payment_method": f"pm_{fingerprint}",
        "payment_method_details": {
            "card": {
                "brand": "visa",
                "exp_month": 12,
                "exp_year": 2030,
                "fingerprint": fingerprint,
                "funding": "debit",
            },
            "type": "card",
        },
        "refunded": False,
        "status": "succeeded",
    }


def refund(reference: str, now: int, *, amount: int, of: Obj, metadata: Obj) -> Obj:
    """Shape a refund of a charge, pending."""
    return {
        "id": reference,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": of["id"],
        "created": now,
        "currency": of["currency"],
        "destination_details": {
            "card": {"reference_status": "pending", "type": "refund"},
            "type": "card",
        },
        "metadata": metadata,
        "payment_intent": of["payment_intent"],
        "reason": "requested_by_customer",
        "receipt_number": None,
        "status": "pending",
    }


def dispute(reference: str, now: int, *, amount: int, of: Obj, reason: str, due_by: int) -> Obj:
    """Shape a dispute of a charge that needs a response."""
    return {
        "id": reference,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": of["id"],
        "created": now,
        "currency": of["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": due_by,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4" if reason == "fraudulent" else "13.1",
        "payment_intent": of["payment_intent"],
        "reason": reason,
        "status": "needs_response",
    }


def payout(reference: str, now: int, *, amount: int, currency: str, arrives: int) -> Obj:
    """Shape a payout to our own bank, on its way."""
    return {
        "id": reference,
        "object": "payout",
        "amount": amount,
        "arrival_date": arrives,
        "automatic": True,
        "balance_transaction": None,
        "created": now,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": f"ba_{currency}",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "type": "bank_account",
    }


def outbound(reference: str, now: str, *, asked: Obj) -> Obj:
    """Shape a v2 outbound payment, processing, out of the parameters that asked for it."""
    amount, source, target = asked["amount"], asked["from"], asked["to"]
    return {
        "id": reference,
        "object": "v2.money_management.outbound_payment",
        "amount": dict(amount),
        "cancelable": True,
        "created": now,
        "description": asked.get("description"),
        "expected_arrival_date": now,
        "from": {"debited": dict(amount), "financial_account": source["financial_account"]},
        "livemode": False,
        "metadata": dict(asked.get("metadata") or {}),
        "payout_intent": None,
        "recipient_notification": {"setting": "none"},
        "recipient_verification": asked.get("recipient_verification"),
        "statement_descriptor": asked.get("statement_descriptor", "STRIPE"),
        "status": "processing",
        "status_details": None,
        "status_transitions": {},
        "to": {
            "credited": dict(amount),
            "payout_method": target.get("payout_method"),
            "recipient": target["recipient"],
        },
        "tracking_details": None,
    }


def verification(reference: str, now: str, *, asked: Obj, match: str, expires: str) -> Obj:
    """Shape a v2 recipient verification with its result."""
    verified = match == "match"
    return {
        "id": reference,
        "object": "v2.money_management.recipient_verification",
        "consumed_by": None,
        "created": now,
        "expires_at": expires,
        "livemode": False,
        "match_result": match,
        "match_result_details": {"message": match, "provided_name": "withheld"},
        "payout_method": asked["payout_method"],
        "recipient": asked.get("recipient"),
        "status": "verified" if verified else "awaiting_acknowledgement",
        "status_transitions": {},
        "verification_type": "verification_of_payee",
    }
