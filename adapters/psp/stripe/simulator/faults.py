"""What may go wrong between us and the simulated Stripe, planned by seed or ordered one by one."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PER_MILLE: Final = 1000


class Fault(StrEnum):
    """Faults of one call. Those `after` happen when the object exists already."""

    CONFLICT = "conflict"
    """409: the key is in use this moment."""
    RATE_LIMITED = "rate_limited"
    """429, nothing done, nothing stored."""
    SERVER_ERROR = "server_error"
    """500, nothing done; stored under the key."""
    SERVER_ERROR_AFTER = "server_error_after"
    """500 although it was done; stored under the key."""
    DECLINE = "decline"
    """402, stored under the key."""
    CUT_BEFORE = "cut_before"
    """The connection is cut, nothing done."""
    CUT_AFTER = "cut_after"
    """It is done, and the connection is cut before the answer."""
    STALL_AFTER = "stall_after"
    """It is done, and the answer comes when nobody waits any more."""
    GARBAGE_AFTER = "garbage_after"
    """It is done, and the answer is a web page with status 200."""


@dataclass(slots=True)
class Faults:
    """Which call meets which fault.

    Attributes:
        seed: the chance of the plan.
        per_mille: fault → how many of a thousand POSTs meet it.
        stall_s: how long a stalled answer takes.
    """

    seed: int = 0
    per_mille: Mapping[Fault, int] = field(default_factory=dict)
    stall_s: float = 1.0
    met: list[Fault] = field(default_factory=list)
    _ordered: list[tuple[Fault, str, str]] = field(default_factory=list)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Begin the plan."""
        assert sum(self.per_mille.values()) <= _PER_MILLE, "a call meets one fault at most"
        # A plan must be the same in every run: this is no place for a secret.
        self._chance = random.Random(self.seed)  # noqa: S311

    def next(self, fault: Fault, *, path: str = "/", method: str = "POST", times: int = 1) -> None:
        """Order a fault for the next calls whose path begins so."""
        self._ordered += [(fault, path, method)] * times

    def pick(self, method: str, path: str) -> Fault | None:
        """Say what this call meets: an ordered fault first, else what the plan has for it."""
        for place, (fault, prefix, wanted) in enumerate(self._ordered):
            if wanted == method and path.startswith(prefix):
                del self._ordered[place]
                self.met.append(fault)
                return fault
        if method != "POST" or not self.per_mille:
            return None
        drawn = self._chance.randrange(_PER_MILLE)
        for fault, share in self.per_mille.items():
            if drawn < share:
                self.met.append(fault)
                return fault
            drawn -= share
        return None
