"""Lets callers send commands, each awaiting one answer before the next, and keeps what they saw."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ledger.book import Book
    from ledger.decision import Command, Receipt

    Make = Callable[[], Command]

SENT_TOGETHER = 500


@dataclass(slots=True)
class Measured:
    """What callers saw: how long each command took, and which append it stood in."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    appends: Counter[datetime] = field(default_factory=Counter)
    facts: int = 0

    def note(self, latency_s: float, receipt: Receipt) -> None:
        self.latencies_s.append(latency_s)
        self.appends[receipt.events[0].recorded_at] += 1
        self.facts += len(receipt.events)

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1_000


def send(book: Book, commands: Iterable[Command]) -> None:
    """Send commands, so many at a time, and wait for all of the answers."""

    async def run() -> None:
        waiting = iter(commands)
        while together := [book.asubmit(each) for each in islice(waiting, SENT_TOGETHER)]:
            await asyncio.gather(*together)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def measure(book: Book, make: Make, callers: int, seconds: float) -> Measured:
    """Let so many callers send commands, one after the other each, for so long."""
    seen = Measured()

    async def call(until: float) -> None:
        while (begun := time.perf_counter()) < until:
            receipt = await book.asubmit(make())
            seen.note(time.perf_counter() - begun, receipt)

    async def run() -> None:
        begun = time.perf_counter()
        await asyncio.gather(*(call(begun + seconds) for _ in range(callers)))
        seen.seconds = time.perf_counter() - begun

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return seen
