"""The simulated Stripe in a process of its own, steered over its control surface.

Run as a module it serves until its standard input ends: it never outlives who started it.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from adapters.psp.stripe.simulator.clock import ManualClock
from adapters.psp.stripe.simulator.deliveries import Plan
from adapters.psp.stripe.simulator.faults import Fault, Faults
from adapters.psp.stripe.simulator.simulator import StripeSimulator
from adapters.psp.stripe.simulator.world import Terms
from api.demo.lines import Lines

if TYPE_CHECKING:
    from types import TracebackType

POST: Final = Plan(
    duplicated_pct=10,
    lost_pct=2,
    late_pct=5,
    late_by=timedelta(hours=2),
    shuffled_by=timedelta(minutes=20),
)
FAULTS: Final = {
    Fault.CUT_AFTER: 4,
    Fault.SERVER_ERROR: 3,
    Fault.RATE_LIMITED: 3,
    Fault.CONFLICT: 2,
}
"""Calls in a thousand that meet each fault; `cut_after` is a time-out *after* the effect."""
SETTLES: Final = {"kwd": "usd", "jpy": "usd"}
RATES: Final = {("kwd", "usd"): Decimal("3.2510"), ("jpy", "usd"): Decimal("0.006550")}


class StripeProcess:
    """Starts the simulator's process and calls its methods by name."""

    def __init__(self, seed: int, begins: datetime) -> None:
        arguments = [sys.executable, "-m", "api.demo.stripe_process", str(seed), begins.isoformat()]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().decode().strip()
        self._lines = Lines(self.url)

    def __enter__(self) -> StripeProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process by closing what it listens to."""
        self._lines.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def tell(self, method: str, **arguments: Any) -> Any:
        """Call one method of the simulator."""
        return self._lines.call("POST", f"/_sim/{method}", body=arguments)


def main() -> None:
    """Serve until nobody listens any more."""
    seed, begins = int(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
    terms = Terms(settles=SETTLES, rate=lambda source, target: RATES[source, target])
    simulator = StripeSimulator(
        seed,
        ManualClock(begins.astimezone(UTC)),
        Faults(seed, per_mille=FAULTS),
        terms=terms,
        post=POST,
    )
    with simulator:
        sys.stdout.write(f"{simulator.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
