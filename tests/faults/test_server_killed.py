"""kill -9 of PostgreSQL under load: nothing acknowledged is lost, nothing is applied twice."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.database.roles import prepare_embedded
from ledger.errors import LogUnreadable
from ledger.store import committer
from tests.faults.load import (
    Standing,
    Told,
    Writers,
    check_wallets,
    deposit,
    open_book,
    read_log,
    submit_again,
)
from tests.faults.processes import family, kill_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.database.embedded import EmbeddedPostgres
    from ledger.book import Book

pytestmark = pytest.mark.fault

SEED = 20_261_122
KILLS = 3
CONTROL_KILLS_MAX = 5
ACKS_BETWEEN = (150, 400)
PATIENCE_S = 60.0
LOSES_COMMITS = {
    "synchronous_commit": "off",
    "wal_writer_delay": "10s",
    "wal_writer_flush_after": "1GB",
    "wal_buffers": "64MB",
}
"""Acknowledges what is in memory alone, and leaves it there for long."""


def wait_for_acknowledgements(writers: Writers, more: int) -> None:
    """Wait until so many more were acknowledged, or the writers ended."""
    enough = len(writers.told.acknowledged) + more
    deadline = time.monotonic() + PATIENCE_S
    while len(writers.told.acknowledged) < enough and writers.running():
        assert time.monotonic() < deadline, "the book does not come back"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Drill:
    """What the callers were told, what stands afterwards, and how long each recovery took.

    Attributes:
        recoveries_s: from the kill to the next acknowledgement.
        behind_server_s: the part of it after the server took connections again: the book's own.
    """

    told: Told
    standing: Standing
    recoveries_s: list[float]
    behind_server_s: list[float]

    @property
    def lost(self) -> list[int]:
        return [n for n in self.told.acknowledged if not self.standing.how_often(n)]

    @property
    def duplicated(self) -> int:
        return sum(times > 1 for times in self.standing.times.values())


def kill_under_load(server: EmbeddedPostgres, book: Book, first: int, kills: int) -> Drill:
    """Kill and restart the server some times under the book's writers; then read the log."""
    chance = random.Random(SEED + first)
    writers = Writers(book, first)
    writers.start()
    recoveries_s, behind_server_s = [], []
    for _ in range(kills):
        wait_for_acknowledgements(writers, chance.randint(*ACKS_BETWEEN))
        begun = time.monotonic()
        kill_all(family(server.pid))
        server.start()
        back = time.monotonic()
        wait_for_acknowledgements(writers, 1)
        recoveries_s.append(time.monotonic() - begun)
        behind_server_s.append(time.monotonic() - back)
    told = writers.stop()
    return Drill(told, read_log(book), recoveries_s, behind_server_s)


@pytest.mark.parametrize("patient", [True, False], ids=["waits for it", "does not wait"])
def test_a_killed_server_loses_nothing_that_was_acknowledged(
    durable_postgres: Callable[..., EmbeddedPostgres],
    tell: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    patient: bool,
) -> None:
    if not patient:
        monkeypatch.setattr(committer, "RECONNECT_DELAYS_S", (0.0, 0.0))
    server = durable_postgres()
    book = open_book(prepare_embedded(server).dsn("book_writer"))
    drill = kill_under_load(server, book, 0, KILLS)
    tell(
        seed=SEED,
        kills=KILLS,
        acknowledged=len(drill.told.acknowledged),
        unknown=len(drill.told.unknown),
        refused=len(drill.told.refused),
        lost=len(drill.lost),
        duplicated=drill.duplicated,
        recovery_s=f"{max(drill.recoveries_s):.2f}",
        behind_server_s=f"{max(drill.behind_server_s):.2f}",
    )
    assert len(drill.told.acknowledged) > KILLS * ACKS_BETWEEN[0]
    assert not drill.lost
    assert not drill.duplicated
    assert not [n for n in drill.told.refused if drill.standing.how_often(n)]
    assert patient or drill.told.refused, "no caller met the dead server"
    for number, again in submit_again(book, drill.told.acknowledged).items():
        assert again.replayed
        positions = tuple(event.position for event in again.events)
        assert positions == drill.told.acknowledged[number]
    _resolve_by_key(book, drill)
    book.close()


def _resolve_by_key(book: Book, drill: Drill) -> None:
    """Ask again for all that was not acknowledged: answered by the log, or done now."""
    unacknowledged = [*drill.told.unknown, *drill.told.refused]
    for number, receipt in submit_again(book, unacknowledged).items():
        assert receipt.replayed == bool(drill.standing.how_often(number))
    after = read_log(book)
    numbers = [*drill.told.acknowledged, *unacknowledged]
    assert {after.how_often(number) for number in numbers} == {1}
    assert after.times.total() == len(numbers)
    check_wallets(book, after)


def test_control_without_synchronous_commit_acknowledged_commands_are_lost(
    durable_postgres: Callable[..., EmbeddedPostgres], tell: Callable[..., None]
) -> None:
    server = durable_postgres("lossy", LOSES_COMMITS)
    database = prepare_embedded(server)
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("CHECKPOINT")  # the tables are not what is to be lost
    dsn = database.dsn("book_writer")
    acknowledged = lost = kills = 0
    while not lost and kills < CONTROL_KILLS_MAX:
        book = open_book(dsn)
        drill = kill_under_load(server, book, kills * 100_000, 1)
        kills += 1
        acknowledged += len(drill.told.acknowledged)
        lost += len(drill.lost)
        if drill.lost:
            with pytest.raises(LogUnreadable):  # the book knows what it has seen, and stops
                book.submit(deposit(kills * 100_000 - 1))
        book.close()
    tell(seed=SEED, kills=kills, acknowledged=acknowledged, lost=lost)
    assert lost, "the drill would not see a loss"
