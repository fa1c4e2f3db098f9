"""The simulated Stripe as a whole: start it, point a client at it, and play the world around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.psp.stripe.simulator import disputes, outbound, payments, settlements
from adapters.psp.stripe.simulator.clock import ManualClock
from adapters.psp.stripe.simulator.control import Control
from adapters.psp.stripe.simulator.deliveries import (
    Courier,
    Endpoint,
    Plan,
    Post,
    Sent,
    wall_clock,
)
from adapters.psp.stripe.simulator.desk import Desk
from adapters.psp.stripe.simulator.faults import Faults
from adapters.psp.stripe.simulator.guard import Guard
from adapters.psp.stripe.simulator.idempotency import Keys
from adapters.psp.stripe.simulator.payments import Outcome
from adapters.psp.stripe.simulator.server import Server
from adapters.psp.stripe.simulator.world import Terms, World

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime, timedelta
    from types import TracebackType

    from adapters.psp.stripe.simulator.world import Obj


class StripeSimulator:
    """Our model of Stripe, on loopback. The same seed and calls give the same ids and messages.

    Use it as a context manager, or `start` and `stop` it. Methods may be called from any thread;
    each returns the object as Stripe shows it.
    """

    def __init__(
        self,
        seed: int = 0,
        clock: Callable[[], datetime] | None = None,
        faults: Faults | None = None,
        *,
        terms: Terms | None = None,
        post: Plan | None = None,
        signed_at: Callable[[], datetime] = wall_clock,
    ) -> None:
        """Make a Stripe without any objects.

        Args:
            seed: of ids, planned faults and the post.
            clock: the world's time; its own `ManualClock` where none is given.
            faults: what goes wrong with calls.
            terms: fees, settlement currencies and rates.
            post: what goes wrong with webhooks.
            signed_at: the time that signatures carry.
        """
        self.clock = clock or ManualClock()
        self.faults = faults or Faults(seed)
        self.world = World(seed, self.clock, terms or Terms())
        self.post = Post(seed, self.clock, post or Plan(), signed_at)
        self.world.on_event = self.post.take
        self.guard = Guard()
        desk = Desk(self.world, Keys(self.clock), self.faults, self.guard)
        self._server = Server(desk, Control(self).answer)
        self._courier = Courier(lambda: self.deliver(only_due=True))

    @property
    def url(self) -> str:
        """The base address for clients."""
        return self._server.url

    def start(self) -> StripeSimulator:
        """Serve requests."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Stop serving, and sending."""
        self._courier.stop()
        self._server.stop()

    def __enter__(self) -> StripeSimulator:
        """Serve requests."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.stop()

    # --- webhooks

    def send_webhooks_to(self, url: str, secret: str, types: Collection[str] = ()) -> None:
        """Send events from now on, of all types or of these, signed with the secret."""
        self.post.send_to(Endpoint(url, secret, frozenset(types)))

    def roll_webhook_secret(self, url: str, secret: str) -> None:
        """Sign everything that leaves for an address from now on with another secret."""
        self.post.roll(url, secret)

    def deliver(self, *, only_due: bool = False, workers: int = 1) -> Sent:
        """Flush the queue in a fixed order; what is refused stays for the next round.

        With several workers the order is only that in which the messages leave.
        """
        self.world.run_due()
        return self.post.deliver(only_due=only_due, workers=workers)

    def deliver_all(self, rounds_max: int = 20, *, workers: int = 1) -> Sent:
        """Deliver until nothing waits, or for so many rounds; tell of the last one."""
        sent = self.deliver(workers=workers)
        for _ in range(rounds_max):
            if not sent.waiting:
                break
            sent = self.deliver(workers=workers)
        return sent

    def deliver_by_itself(self) -> None:
        """Send what is due from now on, without being told, until `stop`."""
        self._courier.start()

    def pause_webhooks(self) -> None:
        """Hold all messages back."""
        self.post.paused = True

    def resume_webhooks(self) -> None:
        """Let messages go again, with the next `deliver`."""
        self.post.paused = False

    # --- time

    def advance(self, by: timedelta) -> datetime:
        """Move the clock on and do what was planned until then."""
        assert isinstance(self.clock, ManualClock), "whoever gave the clock moves it"
        now = self.clock.advance(by)
        self.world.run_due()
        return now

    def run_due(self) -> None:
        """Do what was planned for a time that has come, where somebody else moves the clock."""
        self.world.run_due()

    # --- what clients, issuers and banks do

    def pay(
        self, intent: str, outcome: Outcome | str = Outcome.SUCCEEDED, *, instrument: str = "visa"
    ) -> Obj:
        """Let the cardholder try to pay. The instrument's name decides its fingerprint."""
        with self.world.lock:
            found = self.world.get("payment_intent", intent)
            return dict(payments.attempt(self.world, found, Outcome(outcome), instrument))

    def finish_refund(self, refund: str) -> Obj:
        """Let a pending refund succeed."""
        with self.world.lock:
            return dict(payments.finish_refund(self.world, self.world.get("refund", refund)))

    def fail_refund(self, refund: str) -> Obj:
        """Let a refund fail, also one that had succeeded."""
        with self.world.lock:
            return dict(payments.fail_refund(self.world, self.world.get("refund", refund)))

    def fail_refund_later(self, refund: str, after: timedelta) -> None:
        """Plan that a refund fails: it stands as succeeded until then."""

        def fail() -> None:
            self.fail_refund(refund)

        self.world.later(after, fail)

    def refund_by_hand(self, intent: str, amount: int | None = None) -> Obj:
        """Refund in the dashboard: without our metadata."""
        asked: Obj = {"payment_intent": intent}
        if amount is not None:
            asked["amount"] = amount
        with self.world.lock:
            return dict(payments.create_refund(self.world, asked))

    def open_dispute(
        self,
        charge: str,
        amount: int | None = None,
        reason: str = "fraudulent",
        due_by: datetime | None = None,
        *,
        inquiry: bool = False,
    ) -> Obj:
        """Let the cardholder dispute a charge, or their bank inquire about it."""
        with self.world.lock:
            found = self.world.get("charge", charge)
            return dict(
                disputes.open_dispute(
                    self.world, found, amount=amount, reason=reason, due_by=due_by, inquiry=inquiry
                )
            )

    def escalate_dispute(self, dispute: str) -> Obj:
        """Make a dispute of an inquiry."""
        with self.world.lock:
            return dict(disputes.escalate(self.world, self.world.get("dispute", dispute)))

    def close_dispute(self, dispute: str, verdict: str) -> Obj:
        """Close a dispute as `won` or `lost`."""
        with self.world.lock:
            return dict(disputes.close(self.world, self.world.get("dispute", dispute), verdict))

    def warn_of_fraud(self, charge: str) -> Obj:
        """Send an early fraud warning."""
        with self.world.lock:
            return dict(disputes.warn(self.world, self.world.get("charge", charge)))

    # --- what our bank and our clients' banks do

    def settle(self, *, early: bool = False) -> list[Obj]:
        """Pay out what is available to our bank (`early`: everything), one payout per currency."""
        with self.world.lock:
            return [dict(payout) for payout in settlements.settle(self.world, early=early)]

    def pay_settlement(self, payout: str) -> Obj:
        """Let a payout reach our bank."""
        with self.world.lock:
            return dict(settlements.arrive(self.world, self.world.get("payout", payout)))

    def fail_settlement(self, payout: str) -> Obj:
        """Let a payout to our bank fail, also one that was paid."""
        with self.world.lock:
            return dict(settlements.fail(self.world, self.world.get("payout", payout)))

    def add_recipient(self, match: str = "match") -> tuple[str, str]:
        """Add a client as a recipient: the account's id, and the payout method's."""
        with self.world.lock:
            return outbound.add_recipient(self.world, match)

    def set_financial_balance(self, currency: str, minor: int) -> None:
        """Say how much the financial account holds for outbound payments."""
        with self.world.lock:
            self.world.financial[currency.lower()] = minor

    def post_outbound(self, payment: str) -> Obj:
        """Let an outbound payment leave."""
        return self._move(payment, "posted")

    def fail_outbound(self, payment: str, reason: str = "payout_method_declined") -> Obj:
        """Let an outbound payment fail."""
        return self._move(payment, "failed", reason)

    def return_outbound(self, payment: str, reason: str = "payout_method_closed") -> Obj:
        """Let the recipient's bank send a posted payment back."""
        return self._move(payment, "returned", reason)

    def _move(self, payment: str, status: str, reason: str | None = None) -> Obj:
        with self.world.lock:
            found = self.world.get("outbound_payment", payment)
            return dict(outbound.move(self.world, found, status, reason))
