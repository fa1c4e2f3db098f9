"""Several processes append and are killed at it: who follows the log misses no event."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.faults.load import PAGE, open_book
from tests.faults.processes import write_until_killed

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.database.roles import Database

pytestmark = pytest.mark.fault

SEED = 20_261_124
PROCESSES = 3
ACKS = 300
BLOCK = 100_000
NAIVE_WRITERS = 8
NAIVE_ROWS = 400
POLL_S = 0.002
CALM_S_MAX = 120.0
"""Longer than any run: a follower that stands still fails the drill, and does not hold it up."""


def test_a_follower_misses_no_event_of_processes_that_are_killed(
    database: Database, tell: Callable[..., None]
) -> None:
    dsn = database.dsn("book_writer")
    book, done = open_book(dsn), Event()
    seen: list[int] = []

    ends = time.monotonic() + CALM_S_MAX

    def follow() -> None:
        while time.monotonic() < ends and not (done.is_set() and len(seen) == book.head()):
            newest = seen[-1] if seen else 0
            if book.wait(newest + 1, timeout_s=0.2) > newest:
                seen.extend(event.position for event in book.events_after(newest, PAGE))

    follower = Thread(target=follow)
    follower.start()
    with ThreadPoolExecutor(PROCESSES) as keepers:
        killed = [
            keepers.submit(write_until_killed, dsn, n * BLOCK, ACKS, keyed=True)
            for n in range(PROCESSES)
        ]
        acknowledged = sum(len(writer.result()) for writer in killed)
    done.set()
    follower.join()
    head = book.head()
    tell(processes=PROCESSES, acknowledged=acknowledged, events=head, missed=head - len(seen))
    assert acknowledged >= PROCESSES * ACKS
    assert seen == list(range(1, head + 1))
    book.close()


def test_control_a_follower_of_a_sequence_without_the_lock_misses_events(
    database: Database, tell: Callable[..., None]
) -> None:
    dsn = database.dsn("migrator")
    seen: set[int] = set()
    done = Event()
    with psycopg.connect(dsn, autocommit=True) as reader:
        reader.execute("CREATE TABLE book.naive (position bigserial PRIMARY KEY)")

        def follow() -> None:
            while True:
                last = done.is_set()
                after = (max(seen, default=0),)
                found = reader.execute("SELECT position FROM book.naive WHERE position > %s", after)
                seen.update(position for (position,) in found)
                if last:
                    return
                done.wait(POLL_S)

        def write(writer: int) -> None:
            chance = random.Random(SEED + writer)
            with psycopg.connect(dsn) as connection:
                for _ in range(NAIVE_ROWS // NAIVE_WRITERS):
                    connection.execute("INSERT INTO book.naive DEFAULT VALUES")
                    connection.execute("SELECT pg_sleep(%s)", (chance.uniform(0, 0.005),))
                    connection.commit()

        follower = Thread(target=follow)
        follower.start()
        with ThreadPoolExecutor(NAIVE_WRITERS) as writers:
            list(writers.map(write, range(NAIVE_WRITERS)))
        done.set()
        follower.join()
    tell(seed=SEED, events=NAIVE_ROWS, missed=NAIVE_ROWS - len(seen))
    assert len(seen) < NAIVE_ROWS
