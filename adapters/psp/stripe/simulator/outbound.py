"""Recipients, their verification, and v2 outbound payments as the simulated Stripe plays them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from adapters.psp.stripe.simulator import shapes
from adapters.psp.stripe.simulator.errors import cannot, invalid, missing
from adapters.psp.stripe.simulator.world import rfc3339

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.world import Obj, World

VERIFIED_FOR: Final = timedelta(minutes=5)
_TYPE: Final = "v2.money_management.outbound_payment"
_URL: Final = "/v2/money_management/outbound_payments/"


def add_recipient(world: World, match: str = "match") -> tuple[str, str]:
    """Add a recipient with one bank account; `match` is what a verification will answer."""
    account: Obj = {
        "id": world.new_id("acct"),
        "object": "v2.core.account",
        "applied_configurations": ["recipient"],
        "configuration": {},
        "created": rfc3339(world.clock()),
        "livemode": False,
        "metadata": {},
    }
    world.keep(account)
    method = world.new_id("gbba")
    world.matches[method] = match
    return account["id"], method


def verify(world: World, asked: Obj) -> Obj:
    """Verify the holder of a payout method."""
    method = asked.get("payout_method")
    if method not in world.matches:
        raise missing("payout_method", str(method))
    verification = shapes.verification(
        world.new_id("rvn"),
        rfc3339(world.clock()),
        asked=asked,
        match=world.matches[method],
        expires=rfc3339(world.clock() + VERIFIED_FOR),
    )
    return world.keep(verification)


def acknowledge(world: World, verification: Obj) -> Obj:
    """Take on the risk of a name that does not quite match."""
    if verification["status"] != "awaiting_acknowledgement":
        raise cannot("cannot_proceed", f"The verification is {verification['status']}.")
    verification["status"] = "acknowledged"
    verification["status_transitions"]["acknowledged_at"] = rfc3339(world.clock())
    return verification


def create(world: World, asked: Obj) -> Obj:
    """Send an outbound payment out of the financial account."""
    amount, source, target = (_part(asked, name) for name in ("amount", "from", "to"))
    value, currency = amount.get("value"), amount.get("currency")
    if type(value) is not int or value <= 0 or not isinstance(currency, str):
        raise invalid("Amount must be a positive integer.", param="amount")
    if not source.get("financial_account"):
        raise invalid("Missing required field.", param="from.financial_account")
    world.get("account", target.get("recipient"))
    if target.get("payout_method") not in world.matches:
        raise cannot("invalid_payout_method", "The payout method does not exist.")
    if world.financial[currency] < value:
        raise cannot("insufficient_funds", "The financial account does not hold that much.")
    verification = _verified(world, asked, target)
    world.financial[currency] -= value
    payment = shapes.outbound(world.new_id("obp"), rfc3339(world.clock()), asked=asked)
    if verification is not None:
        verification["status"] = "consumed"
        verification["status_transitions"]["consumed_at"] = rfc3339(world.clock())
        verification["consumed_by"] = {
            "outbound_payment": payment["id"],
            "type": "outbound_payment",
        }
    world.keep(payment)
    world.emit_thin(f"{_TYPE}.created", payment, _URL + payment["id"])
    return payment


def _part(asked: Obj, name: str) -> dict[str, Any]:
    part = asked.get(name)
    if not isinstance(part, dict):
        raise invalid("Missing required field.", param=name)
    return part


def _verified(world: World, asked: Obj, target: Obj) -> Obj | None:
    reference = asked.get("recipient_verification")
    if reference is None:
        if world.terms.verification_needed:
            raise cannot("verification_not_initiated", "Verify the recipient first.")
        return None
    found = world.get("recipient_verification", reference)
    if found["payout_method"] != target["payout_method"]:
        raise cannot("invalid_payout_method", "Another payout method was verified.")
    if datetime.fromisoformat(found["expires_at"]) < world.clock():
        found["status"] = "expired"
        raise cannot("verification_expired", "Verify the recipient again.")
    if found["status"] not in {"verified", "acknowledged"}:
        raise cannot("verification_attempt_failed", f"The verification is {found['status']}.")
    return found


def move(world: World, payment: Obj, status: str, reason: str | None = None) -> Obj:
    """Move an outbound payment on: posted, failed, canceled; or returned, once it was posted."""
    ahead = {"processing": {"posted", "failed", "canceled"}, "posted": {"returned"}}
    if status not in ahead.get(payment["status"], set()):
        raise cannot("not_cancelable", f"The payment is {payment['status']}.")
    payment |= {"status": status, "cancelable": False}
    payment["status_transitions"][f"{status}_at"] = rfc3339(world.clock())
    if reason is not None:
        payment["status_details"] = {status: {"reason": reason}}
    if status != "posted":
        world.financial[payment["amount"]["currency"]] += payment["amount"]["value"]
    world.emit_thin(f"{_TYPE}.{status}", payment, _URL + payment["id"])
    return payment
