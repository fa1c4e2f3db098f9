"""A process that writes deposits into a book at a pace: what projections have to keep up with.

python -m tests.benchmarks.depositing DSN SEED SECONDS EVENTS_A_SECOND
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import uvloop

from api.house.collector import quiet_collector
from api.house.vocabulary import BOOK
from ledger.book import Book
from tests.benchmarks.deposits import FACTS, TRAILING, Deposits
from tests.benchmarks.load import ENTITY

if TYPE_CHECKING:
    from ledger.decision import Command

CALLERS = 200
COMMANDS = 2
"""Commands of one deposit."""


def main(dsn: str, seed: str, seconds: str, events_per_s: str) -> None:
    """Open wallets of its own, say so, wait for a line, write for so long, and say how much."""
    quiet_collector()
    deposits = Deposits(int(seed))
    book = Book.open(dsn, ENTITY, BOOK, clock=now)
    for command in deposits.openings(now()):
        book.submit(command)
    for _ in range(TRAILING + 1):
        book.submit(deposits.announce(now()))
    tell({"head": book.head()})
    sys.stdin.readline()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        begun = time.perf_counter()
        runner.run(write(book, deposits, float(seconds), int(events_per_s)))
        tell({"head": book.head(), "seconds": time.perf_counter() - begun})
    book.close()


async def write(book: Book, deposits: Deposits, seconds: float, events_per_s: int) -> None:
    """Let callers send commands, each at its own beat, all of them together at the pace."""
    beat_s = CALLERS * FACTS / COMMANDS / events_per_s
    begun = time.perf_counter()

    async def call(number: int) -> None:
        due = begun + beat_s * number / CALLERS
        while due < begun + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await book.asubmit(next_of(deposits))
            due += beat_s

    await asyncio.gather(*(call(number) for number in range(CALLERS)))


def next_of(deposits: Deposits) -> Command:
    """Announce and confirm in turn; enough are announced that none confirmed is under way."""
    return deposits.confirm(now()) if deposits.waiting > TRAILING else deposits.announce(now())


def now() -> datetime:
    return datetime.now(UTC)


def tell(words: dict[str, float]) -> None:
    sys.stdout.write(f"{json.dumps(words)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
