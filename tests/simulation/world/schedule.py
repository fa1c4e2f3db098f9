"""Virtual time: what is going to happen, in an order that the seed alone decides."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

DEPTH_MAX = 3
"""Things that happen during things that happen: a call in flight, a message during the call."""
OVERLAP_S = 30
"""Nothing in flight lasts longer than this, except what the provider does late on its own."""


class Schedule:
    """A clock that moves from one pending thing to the next."""

    def __init__(self, begins: datetime, chance: random.Random) -> None:
        self.now = begins
        self.chance = chance
        self.trace: Callable[[str], None] | None = None
        self._heap: list[tuple[datetime, int, str, Callable[[], object]]] = []
        self._asked = 0
        self._depth = 0

    def __call__(self) -> datetime:
        return self.now

    def after(self, delay_s: int, name: str, act: Callable[[], object]) -> None:
        """Let it happen so many seconds from now."""
        self._asked += 1
        due = self.now + timedelta(seconds=delay_s)
        heapq.heappush(self._heap, (due, self._asked, name, act))

    def step(self, until: datetime | None = None) -> bool:
        """Let the next thing happen, unless it is later than `until`."""
        if not self._heap or (until is not None and self._heap[0][0] > until):
            return False
        due, _, name, act = heapq.heappop(self._heap)
        self.now = max(self.now, due)
        self.tell(name)
        self._depth += 1
        try:
            act()
        finally:
            self._depth -= 1
        return True

    def meanwhile(self) -> None:
        """A call is under way: others may act before it is answered."""
        if self._depth < DEPTH_MAX and self.chance.random() < 0.3:
            until = self.now + timedelta(seconds=self.chance.randrange(OVERLAP_S))
            for _ in range(self.chance.randint(1, 3)):
                if not self.step(until):
                    break

    def tell(self, words: str) -> None:
        """Write a line of the trace, where somebody reads it."""
        if self.trace is not None:
            self.trace(f"{self.now:%d %H:%M:%S} {'  ' * self._depth}{words}")
