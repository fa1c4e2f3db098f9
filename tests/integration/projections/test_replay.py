"""Replay: the log makes the same rows again, and a row that it did not make is named."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from projections.balances import trial_balance
from projections.replay import fold_balances, replay
from projections.runner import PROJECTIONS
from tests.unit.projections.house import VOCABULARY

if TYPE_CHECKING:
    from psycopg import Connection

    from projections.replay import ReplayReport
    from tests.integration.projections.house import StoredHouse

TABLES = [name for projection in PROJECTIONS for name in projection.tables]


def rebuild(house: StoredHouse, *, adopt: bool = False) -> ReplayReport:
    return replay(house.database.dsn("projector"), VOCABULARY, adopt=adopt)


def a_day(house: StoredHouse) -> None:
    client = house.register(1)
    house.deposit(1, client, 100_000, "EUR", "USD")
    house.deposit(2, client, 5_000)
    house.fold(batch_max=3)


def test_a_rebuild_equals_the_live_tables(house: StoredHouse) -> None:
    a_day(house)
    told: list[tuple[int, int]] = []

    report = replay(
        house.database.dsn("projector"), VOCABULARY, tell=lambda *seen: told.append(seen)
    )

    assert report.equal
    assert report.position == house.book.head()
    assert {table.name for table in report.tables} == set(TABLES)
    assert {table.name: table.rows for table in report.tables}["posting"] == 7
    assert told[-1] == (report.position, report.position)


@pytest.mark.parametrize(
    ("change", "table", "words"),
    [
        ("UPDATE read.balance SET minor = 5001 WHERE kind = 'fx:position'", "balance", "5001"),
        ("DELETE FROM read.posting WHERE position = 9 AND leg = 1", "posting", "fx:position"),
        ("UPDATE read.deposit SET status = 'failed'", "deposit", "failed"),
        ("INSERT INTO read.review VALUES (99, gen_random_uuid(), 'why', now())", "review", "why"),
    ],
)
def test_a_live_row_that_the_log_did_not_make_is_named(
    house: StoredHouse, change: str, table: str, words: str
) -> None:
    a_day(house)
    house.tamper(change)

    report = rebuild(house)

    wrong = {found.name: found for found in report.tables if not found.equal}
    assert set(wrong) == {table}
    assert words in f"{wrong[table].only_live} {wrong[table].only_rebuilt}"


def test_adopting_puts_the_rebuilt_tables_in_place(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    a_day(house)
    house.tamper("UPDATE read.balance SET minor = 5001 WHERE kind = 'fx:position'")
    assert not trial_balance(reading).balanced

    report = rebuild(house, adopt=True)

    assert not report.equal
    assert report.adopted
    assert trial_balance(reading).balanced
    assert rebuild(house).equal


def test_the_worker_goes_on_in_the_adopted_tables(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    a_day(house)
    with house.runner().connect() as worker:
        house.runner().step(worker)
        rebuild(house, adopt=True)
        house.deposit(3, house.register(2), 700)
        house.write()
        house.runner().step(worker)

    rows = reading.execute("SELECT account, currency, minor FROM read.balance").fetchall()
    assert {(a, c): int(minor) for a, c, minor in rows} == fold_balances(house.events)
    assert rebuild(house).equal


def test_a_rebuild_brings_tables_that_lag_to_the_same_position(house: StoredHouse) -> None:
    a_day(house)
    house.deposit(3, house.register(2), 700)
    head = house.write()

    report = rebuild(house)

    assert report.position == head
    assert report.equal


def test_rebuilds_while_the_worker_follows_find_no_difference(house: StoredHouse) -> None:
    client = house.register(1)
    house.write()
    stop = threading.Event()
    worker = threading.Thread(target=house.runner(batch_max=3).run, args=(stop,))
    worker.start()
    try:
        for number in range(1, 7):
            house.deposit(number, client, number * 100)
            house.write()
            assert rebuild(house, adopt=number % 2 == 0).equal
    finally:
        stop.set()
        worker.join()


def test_a_rebuild_leaves_nothing_behind(house: StoredHouse) -> None:
    a_day(house)
    rebuild(house)
    rebuild(house, adopt=True)

    with psycopg.connect(house.database.admin_dsn) as connection:
        left = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'read_next'::regnamespace"
        ).fetchall()
        tracked = connection.execute("SELECT application_name FROM read.tracking").fetchall()

    assert left == []
    assert tracked == [("read",)]
