"""The runner beside a writer: how long after it was recorded each event is in the read models."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from api.house.vocabulary import BOOK
from projections.runner import CHANNEL, Runner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.database.roles import Database

ROOT = Path(__file__).resolve().parents[2]
LAG_MS_MAX = 1_000
CALM_S_MAX = 300.0
LISTENED_S = 0.2
RECORDED = (
    "SELECT recorded_at FROM book.log WHERE position > %s AND position <= %s ORDER BY position"
)
POSITION = "SELECT coalesce(max(notification_id), 0) FROM read.tracking"


@dataclass(frozen=True, slots=True)
class Followed:
    """One pace: what was offered, what was written a second, and the lag of every event."""

    pace: int
    events: int
    per_s: float
    batches: int
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float
    cpu_us_per_event: float

    def told(self) -> dict[str, Any]:
        """What the report shows of it."""
        return {name: round(value, 1) for name, value in asdict(self).items()}


class Watched:
    """Notes when each position was told to be in the read models."""

    def __init__(self, dsn: str) -> None:
        self.seen: list[tuple[int, datetime]] = []
        self._stop = threading.Event()
        self._dsn = dsn
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watched:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def await_position(self, position: int) -> None:
        """Wait until the position is in the read models."""
        deadline = time.monotonic() + CALM_S_MAX
        while not (self.seen and self.seen[-1][0] >= position):
            assert time.monotonic() < deadline, "the runner does not come to the end"
            time.sleep(LISTENED_S / 10)

    def _watch(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            row = connection.execute(POSITION).fetchone()
            assert row is not None, "an aggregate has a row"
            self.seen.append((row[0], datetime.now(UTC)))
            self._ready.set()
            while not self._stop.is_set():
                for told in connection.notifies(timeout=LISTENED_S, stop_after=1):
                    self.seen.append((int(told.payload.split()[1]), datetime.now(UTC)))


def follow(database: Database, seed: int, pace: int, seconds: float) -> Followed:
    """Let a process of its own write at a pace for so long, and the runner follow it here."""
    runner = Runner(database.dsn("projector"), BOOK)
    with _writer(database, seed, pace, seconds) as writer, contextlib.ExitStack() as stack:
        _told(writer)
        start = runner.catch_up()
        watched = stack.enter_context(Watched(database.dsn("finance_reader")))
        stack.enter_context(_running(runner))
        assert writer.stdin is not None, "it is a pipe"
        cpu = time.process_time()
        writer.stdin.write("go\n")
        writer.stdin.flush()
        wrote = _told(writer)
        watched.await_position(int(wrote["head"]))
        cpu = time.process_time() - cpu
    with psycopg.connect(database.dsn("projector")) as connection:
        rows = connection.execute(RECORDED, (start, int(wrote["head"]))).fetchall()
    waited = sorted(lags([at for (at,) in rows], start, watched.seen))
    return Followed(
        pace=pace,
        events=len(waited),
        per_s=len(waited) / wrote["seconds"],
        batches=sum(position > start for position, _ in watched.seen),
        lag_p50_ms=round(waited[len(waited) // 2], 1),
        lag_p99_ms=round(waited[len(waited) * 99 // 100], 1),
        lag_max_ms=round(waited[-1], 1),
        cpu_us_per_event=1e6 * cpu / len(waited),
    )


def lags(recorded: list[datetime], start: int, seen: list[tuple[int, datetime]]) -> Iterator[float]:
    """Milliseconds from the recording of each event to the first word that it was folded."""
    for (before, _), (position, told_at) in pairwise(seen):
        for at in recorded[max(0, before - start) : max(0, position - start)]:
            yield (told_at - at).total_seconds() * 1_000


@contextlib.contextmanager
def _running(runner: Runner) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _writer(database: Database, seed: int, pace: int, seconds: float) -> subprocess.Popen[str]:
    words = [database.dsn("book_writer"), str(seed), str(seconds), str(pace)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.depositing", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def _told(writer: subprocess.Popen[str]) -> dict[str, float]:
    assert writer.stdout is not None, "it is a pipe"
    line = writer.stdout.readline()
    assert line, "the writer ended by itself"
    told: dict[str, float] = json.loads(line)
    return told
