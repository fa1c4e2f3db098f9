"""Settlement to our own bank: Stripe's payouts, each paying the lines that had become available."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe.simulator import shapes
from adapters.psp.stripe.simulator.errors import refused

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.world import Obj, World

ARRIVAL: Final = timedelta(days=1)
_NEVER_PAID: Final = {"payout", "payout_failure"}


def settle(world: World, *, early: bool = False) -> list[Obj]:
    """Make one payout per currency of all lines that are available (`early`: of all lines).

    A balance that is not positive is not paid out: its lines wait for the next time.
    """
    lines: defaultdict[str, list[Obj]] = defaultdict(list)
    for line in world.all("balance_transaction"):
        waits = line["id"] not in world.settled_by and line["type"] not in _NEVER_PAID
        if waits and (early or line["available_on"] <= world.now()):
            lines[line["currency"]].append(line)
    payable = {currency: _net(found) for currency, found in lines.items() if _net(found) > 0}
    return [_pay(world, currency, net, lines[currency]) for currency, net in payable.items()]


def _net(lines: list[Obj]) -> int:
    return sum(line["net"] for line in lines)


def _pay(world: World, currency: str, net: int, lines: list[Obj]) -> Obj:
    arrives = int((world.clock() + ARRIVAL).timestamp())
    payout = shapes.payout(
        world.new_id("po"), world.now(), amount=net, currency=currency, arrives=arrives
    )
    for line in lines:
        world.settled_by[line["id"]] = payout["id"]
        line["status"] = "available"
    own = world.book("payout", "payout", -net, currency, source=payout["id"])
    world.settled_by[own["id"]] = payout["id"]
    payout["balance_transaction"] = own["id"]
    world.keep(payout)
    world.emit("payout.created", payout)
    return payout


def arrive(world: World, payout: Obj) -> Obj:
    """Let the payout reach our bank."""
    if payout["status"] != "in_transit":
        raise refused("payout_unexpected_state", f"The payout is {payout['status']}.")
    payout |= {"status": "paid", "reconciliation_status": "completed"}
    world.emit("payout.paid", payout)
    world.emit("payout.reconciliation_completed", payout)
    return payout


def fail(world: World, payout: Obj, reason: str = "account_closed") -> Obj:
    """Let the payout come back, also one that was paid: its money is in the balance again."""
    if payout["status"] not in {"in_transit", "paid"}:
        raise refused("payout_unexpected_state", f"The payout is {payout['status']}.")
    currency = payout["currency"]
    line = world.book(
        "payout_failure", "payout_reversal", payout["amount"], currency, source=payout["id"]
    )
    for reference, paid in list(world.settled_by.items()):
        if paid == payout["id"] and reference != payout["balance_transaction"]:
            del world.settled_by[reference]
    payout |= {
        "failure_balance_transaction": line["id"],
        "failure_code": reason,
        "failure_message": "The bank account has been closed.",
        "status": "failed",
    }
    world.emit("payout.failed", payout)
    return payout
