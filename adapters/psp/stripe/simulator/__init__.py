"""A simulator of Stripe, on loopback: our model of it for tests and the sandbox, and not Stripe.

What it models is what goes wrong: stored errors under idempotency keys, answers that never come,
refunds that fail days later, payouts that return, disputes, and webhooks that come twice, late,
shuffled or never.
"""

from adapters.psp.stripe.simulator.clock import ManualClock
from adapters.psp.stripe.simulator.deliveries import Plan, Sent
from adapters.psp.stripe.simulator.faults import Fault, Faults
from adapters.psp.stripe.simulator.payments import Outcome
from adapters.psp.stripe.simulator.simulator import StripeSimulator
from adapters.psp.stripe.simulator.world import Terms

__all__ = [
    "Fault",
    "Faults",
    "ManualClock",
    "Outcome",
    "Plan",
    "Sent",
    "StripeSimulator",
    "Terms",
]
