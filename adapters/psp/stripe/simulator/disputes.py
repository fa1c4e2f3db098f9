"""Disputes, inquiries and fraud warnings as the simulated Stripe plays them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe.simulator import shapes
from adapters.psp.stripe.simulator.errors import invalid, refused

if TYPE_CHECKING:
    from datetime import datetime

    from adapters.psp.stripe.simulator.world import Obj, World

RESPONSE_TIME: Final = timedelta(days=10)
_FINAL: Final = {"won", "lost", "prevented", "warning_closed"}


def open_dispute(
    world: World,
    charge: Obj,
    *,
    amount: int | None = None,
    reason: str = "fraudulent",
    due_by: datetime | None = None,
    inquiry: bool = False,
) -> Obj:
    """Dispute a charge: the money goes at once, but not for an inquiry."""
    if not charge["captured"] or charge["disputed"]:
        raise refused("charge_not_disputable", f"Charge {charge['id']} cannot be disputed.")
    amount = charge["amount_captured"] if amount is None else amount
    if not 0 < amount <= charge["amount_captured"]:
        raise invalid("A dispute is about a part of the charge.", param="amount")
    deadline = due_by or world.clock() + RESPONSE_TIME
    dispute = shapes.dispute(
        world.new_id("dp"),
        world.now(),
        amount=amount,
        of=charge,
        reason=reason,
        due_by=int(deadline.timestamp()),
    )
    if inquiry:
        dispute |= {"status": "warning_needs_response", "is_charge_refundable": True}
    world.keep(dispute)
    world.emit("charge.dispute.created", dispute)
    if not inquiry:
        _withdraw(world, dispute)
    return dispute


def escalate(world: World, dispute: Obj) -> Obj:
    """Make a dispute of an inquiry."""
    if not dispute["status"].startswith("warning_") or dispute["status"] in _FINAL:
        raise refused("dispute_unexpected_state", f"The dispute is {dispute['status']}.")
    dispute |= {"status": "needs_response", "is_charge_refundable": False}
    world.emit("charge.dispute.updated", dispute)
    _withdraw(world, dispute)
    return dispute


def _withdraw(world: World, dispute: Obj) -> None:
    world.get("charge", dispute["charge"])["disputed"] = True
    line = world.book(
        "adjustment",
        "dispute",
        -dispute["amount"],
        dispute["currency"],
        source=dispute["id"],
        fee=world.terms.dispute_fee,
    )
    dispute["balance_transactions"].append(line)
    world.emit("charge.dispute.funds_withdrawn", dispute)


def respond(world: World, dispute: Obj, *, submit: bool) -> Obj:
    """Take evidence, and hand it in where that is asked for."""
    evidence = dispute["evidence_details"]
    if dispute["status"] in _FINAL or world.now() > evidence["due_by"]:
        raise refused("dispute_unexpected_state", "This dispute takes no evidence any more.")
    evidence["has_evidence"] = True
    if submit:
        evidence["submission_count"] += 1
        evidence["submission_method"] = "manual"
        warning = dispute["status"].startswith("warning_")
        dispute["status"] = "warning_under_review" if warning else "under_review"
    world.emit("charge.dispute.updated", dispute)
    return dispute


def close(world: World, dispute: Obj, verdict: str) -> Obj:
    """Close a dispute as `won` (the money returns) or `lost`; an inquiry closes as a warning."""
    if dispute["status"] in _FINAL:
        raise refused("dispute_unexpected_state", f"The dispute is {dispute['status']}.")
    if verdict not in {"won", "lost"}:
        raise invalid(f"A dispute is won or lost, not {verdict}.", param="verdict")
    if dispute["status"].startswith("warning_"):
        dispute["status"] = "warning_closed"
        world.emit("charge.dispute.closed", dispute)
        return dispute
    dispute["status"] = verdict
    if verdict == "won":
        fee = world.terms.dispute_fee if world.terms.dispute_fee_returned else 0
        withdrawn = dispute["balance_transactions"][0]
        line = world.book(
            "adjustment",
            "dispute_reversal",
            -withdrawn["amount"],
            withdrawn["currency"],
            source=dispute["id"],
            fee=-fee,
        )
        dispute["balance_transactions"].append(line)
        world.emit("charge.dispute.funds_reinstated", dispute)
    world.emit("charge.dispute.closed", dispute)
    return dispute


def warn(world: World, charge: Obj, kind: str = "made_with_stolen_card") -> Obj:
    """Send an early fraud warning about a charge."""
    warning = world.keep(
        {
            "id": world.new_id("issfr"),
            "object": "radar.early_fraud_warning",
            "actionable": not charge["refunded"],
            "charge": charge["id"],
            "created": world.now(),
            "fraud_type": kind,
            "livemode": False,
            "payment_intent": charge["payment_intent"],
        }
    )
    world.emit("radar.early_fraud_warning.created", warning)
    return warning
