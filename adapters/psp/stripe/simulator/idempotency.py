"""Idempotency keys as Stripe keeps them: the first answer is the answer, for a day.

v1 stores whatever an endpoint that had begun answered, errors and 500s included; requests that
failed validation are not stored. v2 stores successes only and runs a failed request again (from
memory of Stripe's documentation, not verified).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe.simulator.errors import StripeRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT: Final = timedelta(hours=24)
KEY_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer under its key."""

    request: str
    status: int
    body: bytes
    at: datetime


@dataclass(slots=True)
class Keys:
    """The keys in use, oldest first."""

    clock: Callable[[], datetime]
    stored: dict[str, Stored] = field(default_factory=dict)

    def answer(self, key: str, request: str) -> Stored | None:
        """Return what this key was answered before, if it was, and for the same request.

        Raises:
            StripeRefusal: the key is too long, or came with another request.
        """
        self._prune()
        if len(key) > KEY_MAX:
            raise StripeRefusal(400, "idempotency_error", "The key is too long.", started=False)
        found = self.stored.get(key)
        if found is not None and found.request != request:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they "
                "were first used with."
            )
            raise StripeRefusal(400, "idempotency_error", message, started=False)
        return found

    def keep(self, key: str, request: str, status: int, body: bytes) -> None:
        """Keep an answer."""
        self.stored[key] = Stored(request, status, body, self.clock())

    def _prune(self) -> None:
        oldest = self.clock() - KEPT
        while self.stored:
            key, first = next(iter(self.stored.items()))
            if first.at > oldest:
                return
            del self.stored[key]


def request_of(method: str, path: str, body: bytes) -> str:
    """Digest a request, to tell whether it is the same."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()
