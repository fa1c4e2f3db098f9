"""Payment intents, charges and refunds as the simulated Stripe plays them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe.simulator import shapes
from adapters.psp.stripe.simulator.errors import declined, invalid, refused
from adapters.psp.stripe.units import grain

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.world import Obj, World

_BPS: Final = 10_000
_OPEN: Final = {"requires_payment_method", "requires_confirmation", "requires_action"}
AMOUNT_MAX: Final = 99_999_999_999


class Outcome(StrEnum):
    """How the cardholder and the issuer behave."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"


def create_intent(world: World, asked: Obj) -> Obj:
    """Open a payment intent."""
    amount, currency = asked.get("amount"), asked.get("currency")
    if type(amount) is not int or not 0 < amount <= AMOUNT_MAX:
        raise invalid("This value must be greater than or equal to 1.", param="amount")
    if not isinstance(currency, str) or len(currency) != len("usd"):
        raise invalid(f"Invalid currency: {currency}.", param="currency")
    intent = shapes.intent(
        world.new_id("pi"),
        world.now(),
        amount=amount,
        currency=currency,
        capture=asked.get("capture_method", "automatic"),
    )
    intent["metadata"] = dict(asked.get("metadata") or {})
    intent["customer"] = asked.get("customer")
    intent["description"] = asked.get("description")
    world.keep(intent)
    world.emit("payment_intent.created", intent)
    return intent


def attempt(world: World, intent: Obj, outcome: Outcome, instrument: str) -> Obj:
    """Play one attempt of the cardholder to pay."""
    if intent["status"] not in _OPEN | {"processing"}:
        message = f"This PaymentIntent's status is {intent['status']}."
        raise refused("payment_intent_unexpected_state", message)
    match outcome:
        case Outcome.REQUIRES_ACTION:
            intent["status"] = "requires_action"
            intent["next_action"] = {"type": "use_stripe_sdk"}
            world.emit("payment_intent.requires_action", intent)
        case Outcome.PROCESSING:
            intent["status"] = "processing"
            world.emit("payment_intent.processing", intent)
        case Outcome.DECLINED:
            _decline(world, intent, instrument)
        case Outcome.SUCCEEDED:
            _authorise(world, intent, instrument)
    return intent


def _new_charge(world: World, intent: Obj, instrument: str) -> Obj:
    fingerprint = world.token("card", instrument)
    charge = shapes.charge(
        world.new_id("ch"), world.now(), paid_for=intent, fingerprint=fingerprint
    )
    intent["latest_charge"] = charge["id"]
    return world.keep(charge)


def _decline(world: World, intent: Obj, instrument: str) -> None:
    charge = _new_charge(world, intent, instrument)
    charge |= {
        "failure_code": "card_declined",
        "failure_message": "Your card was declined.",
        "outcome": {"network_status": "declined_by_network", "type": "issuer_declined"},
        "paid": False,
        "status": "failed",
    }
    intent |= {
        "last_payment_error": {
            "charge": charge["id"],
            "code": "card_declined",
            "decline_code": "generic_decline",
            "message": "Your card was declined.",
            "type": "card_error",
        },
        "next_action": None,
        "status": "requires_payment_method",
    }
    world.emit("charge.failed", charge)
    world.emit("payment_intent.payment_failed", intent)


def _authorise(world: World, intent: Obj, instrument: str) -> None:
    charge = _new_charge(world, intent, instrument)
    intent |= {
        "last_payment_error": None,
        "next_action": None,
        "payment_method": charge["payment_method"],
    }
    if intent["capture_method"] == "manual":
        intent |= {"amount_capturable": intent["amount"], "status": "requires_capture"}
        world.emit("charge.succeeded", charge)
        world.emit("payment_intent.amount_capturable_updated", intent)
    else:
        _book_charge(world, intent, charge, intent["amount"])
        world.emit("charge.succeeded", charge)
        world.emit("payment_intent.succeeded", intent)


def _book_charge(world: World, intent: Obj, charge: Obj, amount: int) -> None:
    settled, currency, _ = world.settle_amount(amount, intent["currency"])
    fee = min(settled, settled * world.terms.fee_bps // _BPS + world.terms.fee_fixed)
    fee -= fee % grain(currency.upper())
    line = world.book("charge", "charge", amount, intent["currency"], source=charge["id"], fee=fee)
    charge |= {"amount_captured": amount, "captured": True, "balance_transaction": line["id"]}
    intent |= {"amount_capturable": 0, "amount_received": amount, "status": "succeeded"}


def capture(world: World, intent: Obj, amount: int | None) -> Obj:
    """Capture an authorised intent, wholly or in part."""
    if intent["status"] != "requires_capture":
        message = f"This PaymentIntent could not be captured: {intent['status']}."
        raise refused("payment_intent_unexpected_state", message)
    amount = intent["amount_capturable"] if amount is None else amount
    if not 0 < amount <= intent["amount_capturable"]:
        raise refused("amount_too_large", "The amount is more than can be captured.")
    charge = world.get("charge", intent["latest_charge"])
    _book_charge(world, intent, charge, amount)
    world.emit("charge.captured", charge)
    world.emit("payment_intent.succeeded", intent)
    return intent


def cancel(world: World, intent: Obj) -> Obj:
    """Cancel an intent that was not captured."""
    if intent["status"] not in _OPEN | {"requires_capture", "processing"}:
        message = f"You cannot cancel this PaymentIntent: {intent['status']}."
        raise refused("payment_intent_unexpected_state", message)
    intent |= {
        "amount_capturable": 0,
        "canceled_at": world.now(),
        "cancellation_reason": "requested_by_customer",
        "status": "canceled",
    }
    world.emit("payment_intent.canceled", intent)
    return intent


def confirm(world: World, intent: Obj, method: str) -> Obj:
    """Confirm with one of the test payment methods; a decline is an error here."""
    outcome = {
        "pm_card_chargeDeclined": Outcome.DECLINED,
        "pm_card_authenticationRequired": Outcome.REQUIRES_ACTION,
    }.get(method, Outcome.SUCCEEDED)
    attempt(world, intent, outcome, method)
    if outcome is Outcome.DECLINED:
        raise declined("card_declined", "generic_decline")
    return intent


def create_refund(world: World, asked: Obj) -> Obj:
    """Refund a charge; never more than is left of it, and never a disputed one."""
    charge = _refundable(world, asked)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = asked.get("amount", left)
    if type(amount) is not int or amount <= 0:
        raise invalid("Invalid positive integer", param="amount")
    if left == 0:
        raise refused("charge_already_refunded", f"Charge {charge['id']} was already refunded.")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise refused("amount_too_large", message)
    metadata = dict(asked.get("metadata") or {})
    refund = shapes.refund(
        world.new_id("re"), world.now(), amount=amount, of=charge, metadata=metadata
    )
    line = world.book("refund", "refund", -amount, charge["currency"], source=refund["id"])
    refund["balance_transaction"] = line["id"]
    refund["status"] = "pending" if world.terms.refunds_wait else "succeeded"
    world.keep(refund)
    _count_refund(charge, amount)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge)
    return refund


def _refundable(world: World, asked: Obj) -> Obj:
    if "payment_intent" in asked:
        reference = world.get("payment_intent", asked["payment_intent"])["latest_charge"]
    else:
        reference = asked.get("charge")
    if reference is None:
        raise refused("charge_not_captured", "This PaymentIntent has no successful charge.")
    charge = world.get("charge", reference)
    if not charge["captured"]:
        raise refused("charge_not_captured", f"Charge {charge['id']} has not been captured.")
    if charge["disputed"]:
        raise refused("charge_disputed", f"Charge {charge['id']} has been charged back.")
    return charge


def _count_refund(charge: Obj, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]


def finish_refund(world: World, refund: Obj) -> Obj:
    """Let a pending refund succeed."""
    if refund["status"] != "pending":
        raise refused("refund_unexpected_state", f"The refund is {refund['status']}.")
    refund["status"] = "succeeded"
    world.emit("refund.updated", refund)
    return refund


def fail_refund(world: World, refund: Obj, reason: str = "expired_or_canceled_card") -> Obj:
    """Let a refund come back, also one that had succeeded: its money returns by a second line."""
    if refund["status"] not in {"pending", "succeeded"}:
        raise refused("refund_unexpected_state", f"The refund is {refund['status']}.")
    line = world.book(
        "refund_failure",
        "refund_failure",
        refund["amount"],
        refund["currency"],
        source=refund["id"],
    )
    refund |= {
        "failure_balance_transaction": line["id"],
        "failure_reason": reason,
        "status": "failed",
    }
    _count_refund(world.get("charge", refund["charge"]), -refund["amount"])
    world.emit("refund.failed", refund)
    return refund
