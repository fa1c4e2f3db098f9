"""A writing process of its own: opens the book, warms up, and measures when it is told to begin.

Its parent starts it with `Writer`, several at a time where they are to compete.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from api.house.collector import quiet_collector
from api.house.vocabulary import BOOK
from ledger.book import Book
from tests.benchmarks.load import ENTITY, WALLETS, Load
from tests.benchmarks.measuring import measure, send

ROOT = Path(__file__).resolve().parents[2]
WARM_S = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """What a writer does. Writers of one database need parts of their own, or they repeat."""

    dsn: str
    seed: int
    part: int
    callers: int
    seconds: float
    wallets: int = WALLETS
    hot: bool = False
    timed_keys: bool = False
    warm_s: float = WARM_S


class Writer:
    """A started writer. `begin` all of them before the first `result` is asked for."""

    def __init__(self, task: Task) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.writer", json.dumps(asdict(task))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def ready(self) -> Self:
        """Wait until it has opened the book and is warm."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "the writer did not come up"
        return self

    def begin(self) -> None:
        """Let it measure."""
        assert self._process.stdin is not None
        self._process.stdin.write("begin\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, float]:
        """Wait for what it measured."""
        told, _ = self._process.communicate()
        measured: dict[str, float] = json.loads(told)
        return measured


def race(*tasks: Task) -> list[dict[str, float]]:
    """Let writers measure at the same time."""
    writers = [Writer(task) for task in tasks]
    for writer in writers:
        writer.ready()
    for writer in writers:
        writer.begin()
    return [writer.result() for writer in writers]


class Work:
    """The book of a task, open and warm."""

    def __init__(self, task: Task) -> None:
        self._task = task
        load = Load(task.seed, task.wallets, task.part, timed_keys=task.timed_keys)
        self._make = load.hot if task.hot else load.spread
        begun = time.perf_counter()
        self._book = Book.open(task.dsn, ENTITY, BOOK, clock=lambda: datetime.now(UTC))
        self._book.submit(self._make())
        self._opened_s = time.perf_counter() - begun
        if task.warm_s and not task.hot:
            # A wallet that was not met yet costs a load of up to a hundred facts, once.
            send(self._book, load.each())
        measure(self._book, self._make, task.callers, task.warm_s)

    def measured(self) -> dict[str, float]:
        """Do the task, close the book, and tell."""
        cpu = time.process_time()
        seen = measure(self._book, self._make, self._task.callers, self._task.seconds)
        cpu_s = time.process_time() - cpu
        self._book.close()
        return {
            "per_s": seen.per_s,
            "cpu_us": cpu_s / len(seen.latencies_s) * 1e6,
            "p50_ms": seen.percentile_ms(50),
            "p99_ms": seen.percentile_ms(99),
            "opened_s": self._opened_s,
            "memory_mb": _peak_mb(),
        }


def in_turn(*tasks: Task) -> list[dict[str, float]]:
    """Do the tasks in this process, one after the other: only the shape of it is worth anything."""
    return [Work(task).measured() for task in tasks]


def main(words: str) -> None:
    """Open, warm up, say so, wait, measure, tell."""
    quiet_collector()
    work = Work(Task(**json.loads(words)))
    _say("ready")
    sys.stdin.readline()
    _say(json.dumps(work.measured()))


def _peak_mb() -> int:
    """The most memory this program had. `ru_maxrss` would begin with that of who started it."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
