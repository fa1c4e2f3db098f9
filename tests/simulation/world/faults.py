"""What goes wrong, and how often: drawn from the seed, and all of it ends when asked to."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from uuid import UUID

    from ledger.book import AnyBook
    from ledger.decision import Body, Command, Receipt, Stream
    from ledger.ids import EntityId
    from tests.simulation.world.schedule import Schedule


class Crashed(BaseException):
    """The process is gone. Not an `Exception`: no handler of ours may survive it."""


class Fate(StrEnum):
    """What becomes of one call to the provider."""

    ANSWERED = "answered"
    LOST_BEFORE = "lost before it arrived"
    LOST_AFTER = "its answer was lost"
    LATE = "takes effect after we gave up"
    REFUSED = "refused for now"


class Faults:
    """The seed's share of everything that can go wrong."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.on = True
        self.lost = chance.choice((0.0, 0.05, 0.2, 0.5))
        self.dropped = chance.choice((0.0, 0.1, 0.4, 1.0))
        self.doubled = chance.choice((0.0, 0.1, 0.5))
        self.crashed = chance.choice((0.0, 0.004, 0.02))
        self.crashes_left = 4

    def fate(self) -> Fate:
        """Draw what becomes of a call."""
        if not self._happens(self.lost):
            return Fate.ANSWERED
        return self._chance.choice([fate for fate in Fate if fate is not Fate.ANSWERED])

    def copies(self) -> int:
        """How often a message of the provider arrives: not at all, once, or several times."""
        if self._happens(self.dropped):
            return 0
        return self._chance.randint(2, 3) if self._happens(self.doubled) else 1

    def delay_s(self) -> int:
        """How long a message is on its way: a moment, or long enough to be overtaken."""
        return self._chance.choice((0, 0, 1, 3, 20, 300, 1_800)) if self.on else 0

    def crash(self, schedule: Schedule, point: str) -> None:
        """Die here, if the seed says so."""
        if self.crashes_left and self._happens(self.crashed):
            self.crashes_left -= 1
            schedule.tell(f"CRASH {point}")
            raise Crashed(point)

    def _happens(self, share: float) -> bool:
        return self.on and share > 0 and self._chance.random() < share


class FragileBook:
    """The book as a process sees it that may die before or after every append."""

    def __init__(self, book: AnyBook, faults: Faults, schedule: Schedule) -> None:
        self.entity: EntityId = book.entity
        self._book, self._faults, self._schedule = book, faults, schedule

    def submit(self, command: Command) -> Receipt:
        """Record, unless the process dies first; or record, and die before anybody knows."""
        self._faults.crash(self._schedule, "before an append")
        receipt = self._book.submit(command)
        self._faults.crash(self._schedule, "after an append")
        return receipt

    def state(self, stream: Stream[Any]) -> Any:
        """Return a stream's state."""
        return self._book.state(stream)

    def body(self, body_id: UUID) -> Body | None:
        """Return a kept message."""
        return self._book.body(body_id)
