"""A disk that fails to sync, or takes its time: no answer is given for what is not durable."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.database.roles import prepare_embedded
from tests.faults.disk import injected, need_strace
from tests.faults.load import Writers, check_wallets, open_book, read_log, submit_again
from tests.faults.processes import family, kill_all
from tests.faults.test_server_killed import CONTROL_KILLS_MAX, wait_for_acknowledgements

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapters.database.embedded import EmbeddedPostgres
    from adapters.database.roles import Database

pytestmark = pytest.mark.fault

FAILURES = 2
ACKS = 60
SLOW_US = 150_000
WAL_PAGE_BYTES = 8_192


def appender(database: Database) -> int:
    """The server process that appends for the book."""
    deadline = time.monotonic() + 10
    with psycopg.connect(database.admin_dsn, autocommit=True) as admin:
        while time.monotonic() < deadline:
            found = admin.execute(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchone()
            if found is not None:
                return int(found[0])
    raise AssertionError("nobody appends")


def test_a_failed_sync_costs_nothing_that_was_acknowledged(
    durable_postgres: Callable[..., EmbeddedPostgres], tell: Callable[..., None], tmp_path: Path
) -> None:
    need_strace()
    server = durable_postgres()
    database = prepare_embedded(server)
    book = open_book(database.dsn("book_writer"))
    writers = Writers(book, 0)
    writers.start()
    recoveries_s = []
    for n in range(FAILURES):
        wait_for_acknowledgements(writers, ACKS)
        trace = tmp_path / f"trace-{n}"
        with injected(trace, [appender(database)], "fdatasync", "error=EIO:when=3") as fault:
            fault.await_strike()
            begun = time.monotonic()
        wait_for_acknowledgements(writers, 1)
        recoveries_s.append(time.monotonic() - begun)
    told = writers.stop()
    standing = read_log(book)
    lost = [n for n in told.acknowledged if standing.how_often(n) != 1]
    tell(
        failures=FAILURES,
        acknowledged=len(told.acknowledged),
        unknown=len(told.unknown),
        lost=len(lost),
        duplicated=sum(times > 1 for times in standing.times.values()),
        recovery_s=f"{max(recoveries_s):.2f}",
    )
    assert not lost
    assert not [n for n in told.refused if standing.how_often(n)]
    assert all(r.replayed for r in submit_again(book, told.acknowledged).values())
    submit_again(book, [*told.unknown, *told.refused])
    after = read_log(book)
    assert set(after.times.values()) == {1}
    check_wallets(book, after)
    assert "could not fdatasync" in (server.home / "server.log").read_text()
    book.close()


def test_a_slow_sync_delays_answers_and_loses_none_when_the_server_dies_in_it(
    durable_postgres: Callable[..., EmbeddedPostgres], tell: Callable[..., None], tmp_path: Path
) -> None:
    need_strace()
    server = durable_postgres()
    database = prepare_embedded(server)
    book = open_book(database.dsn("book_writer"))
    writers = Writers(book, 0)
    writers.start()
    wait_for_acknowledgements(writers, ACKS)
    slow = f"delay_enter={SLOW_US}"
    with injected(tmp_path / "trace", [appender(database)], "fdatasync", slow) as fault:
        before = len(writers.told.acknowledged)
        wait_for_acknowledgements(writers, ACKS)
        syncs, acknowledged = fault.struck, len(writers.told.acknowledged) - before
        kill_all(family(server.pid))
    begun = time.monotonic()
    server.start()
    wait_for_acknowledgements(writers, 1)
    recovery_s = time.monotonic() - begun
    told = writers.stop()
    standing = read_log(book)
    lost = [n for n in told.acknowledged if standing.how_often(n) != 1]
    tell(
        acknowledged=len(told.acknowledged),
        answers_a_slow_sync=f"{acknowledged / syncs:.1f}",
        lost=len(lost),
        duplicated=sum(times > 1 for times in standing.times.values()),
        recovery_s=f"{recovery_s:.2f}",
    )
    assert not lost
    assert syncs < acknowledged, "who waits meanwhile shares the next sync"
    check_wallets(book, standing)
    book.close()


def test_control_a_disk_that_swallows_writes_loses_what_was_acknowledged(
    durable_postgres: Callable[..., EmbeddedPostgres], tell: Callable[..., None], tmp_path: Path
) -> None:
    need_strace()
    server = durable_postgres("liar")
    database = prepare_embedded(server)
    acknowledged, lost, kills = 0, 0, 0
    while not lost and kills < CONTROL_KILLS_MAX:
        book = open_book(database.dsn("book_writer"))
        writers = Writers(book, kills * 100_000)
        writers.start()
        wait_for_acknowledgements(writers, ACKS)
        swallowing = f"retval={WAL_PAGE_BYTES}"
        with injected(tmp_path / f"{kills}", [appender(database)], "pwrite64", swallowing):
            wait_for_acknowledgements(writers, ACKS)
            kill_all(family(server.pid))
        server.start()
        told = writers.stop()
        with contextlib.closing(open_book(database.dsn("book_writer"))) as fresh:
            standing = read_log(fresh)
        kills += 1
        acknowledged += len(told.acknowledged)
        lost += sum(not standing.how_often(n) for n in told.acknowledged)
        book.close()
    tell(kills=kills, acknowledged=acknowledged, lost=lost)
    assert lost, "the drill would not see a loss"
