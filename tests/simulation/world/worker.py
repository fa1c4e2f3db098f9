"""The worker's round in one thread: the real reactors, any order, and death at any point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.errors import OutcomeUnknown, Refusal
from payments.reactors.due import due
from payments.reactors.notices import NotYet
from payments.reactors.outstanding import Outstanding
from tests.simulation.world.faults import Crashed

if TYPE_CHECKING:
    import random
    from datetime import datetime

    from ledger.store.memory import MemoryBook
    from payments.reactors.desk import Desk
    from tests.simulation.world.schedule import Schedule


class Worker:
    """Does what is due. What it knows is folded from the log, and gone when it dies."""

    def __init__(
        self, book: MemoryBook, desk: Desk, schedule: Schedule, chance: random.Random
    ) -> None:
        self._book, self._desk = book, desk
        self._schedule, self._chance = schedule, chance
        self._busy = False
        self.deaths = 0
        self.start_anew()

    def start_anew(self) -> None:
        """Begin with nothing but the log."""
        self.see, self._position = Outstanding(), 0
        self._tried: dict[Any, datetime] = {}

    def catch_up(self) -> None:
        """Fold what the log holds beyond what was seen."""
        events = self._book.events_after(self._position, 1_000_000)
        for event in events:
            self.see.see(event)
        self._position += len(events)

    def round(self) -> int:
        """Do what is due now; returns how much that was. Nothing, while a round is under way."""
        if self._busy:
            return 0
        self._busy = True
        try:
            return self._round()
        except Crashed:
            self.deaths += 1
            self.start_anew()
            return 1
        finally:
            self._busy = False

    def _round(self) -> int:
        self.catch_up()
        now = self._schedule.now
        jobs = [
            job
            for job in due(self.see, self._desk)
            if job.name not in self._tried or now - self._tried[job.name] >= job.pause
        ]
        for job in jobs:
            self._tried[job.name] = now
        # Several hands work at the same time, so any of them may be the first.
        self._chance.shuffle(jobs)
        for job in jobs:
            try:
                job.act()
            except (Refusal, NotYet, OutcomeUnknown) as later:
                self._schedule.tell(f"{job.name} waits: {later}")
        return len(jobs)
