"""A rotation that nobody noticed: while deposits arrive, every secret that serves them changes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import psycopg

from adapters.secrets.port import Secret
from api.demo import friday
from api.house import rotation
from api.house.rotation import Made
from api.house.sandbox_vault import RENEW_S
from api.house.secret_sources import keeper_of
from api.identity.scopes import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.secrets.keeper import Keeper
    from api.demo.sandbox import Day
    from api.house.rotation import Held
    from api.house.sandbox_vault import Moved

SEEN_S: Final = RENEW_S * 3
"""After so long every reader has the new value."""
REFUSED: Final = "counterfoil_webhooks_refused_total"
ANSWERED: Final = "counterfoil_http_requests_total"
FAILED: Final = 'status="5'
TURNS: Final = 3
"""How often everything changes. All day long would be a demo of waiting."""
MADE: Final[dict[str, Callable[[], str]]] = {
    "psp-api-key": lambda: f"sk_test_{secrets.token_hex(12)}",
    "webhook-secret": lambda: f"whsec_{secrets.token_hex(16)}",
}
"""What the other side would give us."""


@dataclass(slots=True)
class Rotations:
    """Changes the secrets of a house one after the other, as `counterfoil secrets rotate` does."""

    day: Day
    moved: Moved
    hook_url: str
    done: Counter[str] = field(default_factory=Counter)
    shut_out: int = 0
    """Old database passwords that were tried afterwards and open nothing."""

    def go_on(self, stop: asyncio.Event) -> None:
        """Rotate everything, a few times over, or until told to stop; once at least."""
        settings = self.moved.settings
        held = [each for each in rotation.inventory(settings) if each.kind.made is not Made.OUTSIDE]
        keeper = keeper_of(settings, self.moved.environ, rotating=True)
        with contextlib.closing(keeper):
            for _ in range(TURNS):
                for each in held:
                    self._rotate(each, keeper)
                if stop.is_set():
                    break

    def _rotate(self, held: Held, keeper: Keeper) -> None:
        before = self._login(held)
        make = MADE.get(held.kind.name)
        value = None if make is None else Secret(make())
        rotation.rotate(held, keeper, value)
        if held.kind.two and value is not None:
            # Both are active here before the other side signs with the new one alone.
            time.sleep(SEEN_S)
            self.day.stripe.tell("roll_webhook_secret", url=self.hook_url, secret=value.reveal())
            time.sleep(SEEN_S)
            rotation.retire(held, keeper)
        if before is not None:
            self._check(held, before)
        self.done[held.kind.name] += 1

    def _login(self, held: Held) -> str | None:
        is_login = held.kind.name == "database-password"
        return self.day.house.database.dsn(held.whose) if is_login else None

    def _check(self, held: Held, before: str) -> None:
        """The new password opens, and the old one nothing any more."""
        psycopg.connect(self.day.house.database.dsn(held.whose)).close()
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(before).close()
            return
        self.shut_out += 1


async def deposits_arrive(day: Day) -> None:
    """Deposits arrive; where there is a vault, its secrets change all the while."""
    if day.rotations is None:
        await friday.deposits_arrive(day)
        return
    stop, begun = asyncio.Event(), day.broker.calls
    turning = asyncio.create_task(asyncio.to_thread(day.rotations.go_on, stop))
    try:
        await friday.deposits_arrive(day)
    finally:
        stop.set()
        await turning
    calls, done = day.broker.calls - begun, day.rotations.done
    counted = await day.broker.text(Role.OPERATOR, "/metrics")
    failed, refused = _count(counted, ANSWERED, FAILED), _count(counted, REFUSED)
    day.paper.say("Meanwhile, a rotation that nobody noticed. The vault (OpenBao) got another")
    changed = ", ".join(f"{kind} {count}×" for kind, count in sorted(done.items()))
    day.paper.say(f"{changed};")
    day.paper.say(
        f"of {calls} calls {failed} failed, of the webhooks {refused} were refused, and "
        f"{day.rotations.shut_out} old database passwords open nothing any more."
    )


def _count(metrics: str, name: str, only: str = "") -> int:
    """Add up what the house has counted under a name."""
    lines = [line for line in metrics.splitlines() if line.startswith(name) and only in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)
