"""The runner: every event once, whatever dies in between; one worker at a time; loud when lost."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, Tracking

from ledger.book import Book
from ledger.decision import Command
from ledger.errors import LogUnreadable
from ledger.facts import FACTS, WalletCredited
from ledger.money import Money
from ledger.store.chain import Broken
from ledger.store.codec import Vocabulary
from ledger.wallet import open_wallet, record, wallet
from payments import bookings
from projections.log import entry_of, events_after
from projections.postings import Postings
from projections.replay import fold_balances
from projections.rows import Target
from projections.runner import PROJECTIONS, ReadTracking, Runner
from projections.waiting import ReadPosition, lag
from tests.unit.projections.house import CLEARING, ENTITY, START, VOCABULARY, client_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Connection

    from ledger.decision import Decision
    from projections.log import Told
    from tests.integration.projections.house import StoredHouse

PATIENCE_S = 20.0


class Killed(Exception):
    """The worker died here."""


class KilledAt:
    """The last projection of a batch: the worker dies after all others have written."""

    tables: tuple[str, ...] = ()

    def __init__(self, batch: int) -> None:
        self._left = batch

    def fold(self, events: Sequence[Told], target: Target) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed


def balances(connection: Connection[Any]) -> dict[tuple[str, str], int]:
    rows = connection.execute("SELECT account, currency, minor FROM read.balance")
    return {(account, currency): int(minor) for account, currency, minor in rows}


def some_days(house: StoredHouse, deposits: int = 12) -> None:
    client = house.register(1)
    for number in range(1, deposits + 1):
        house.deposit(number, client, 1000 * number, "EUR", "USD" if number % 2 else "EUR")


@pytest.fixture
def running(house: StoredHouse) -> Iterator[Running]:
    workers = Running(house)
    yield workers
    workers.stop_all()


class Running:
    """Runners in threads, stopped at the end."""

    def __init__(self, house: StoredHouse) -> None:
        self._house = house
        self._threads: list[tuple[threading.Thread, threading.Event]] = []

    def start(self) -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=self._house.runner().run, args=(stop,))
        thread.start()
        self._threads.append((thread, stop))
        return stop

    def stop_all(self) -> None:
        for _, stop in self._threads:
            stop.set()
        for thread, _ in self._threads:
            thread.join()


def test_balances_equal_the_fold(house: StoredHouse, reading: Connection[Any]) -> None:
    some_days(house)

    position = house.fold()

    assert position == house.book.head()
    assert balances(reading) == fold_balances(house.events)
    assert fold_balances(house.events[:-1]) != fold_balances(house.events)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_worker_killed_inside_a_batch_leaves_nothing_and_doubles_nothing(
    house: StoredHouse, reading: Connection[Any], batch: int
) -> None:
    some_days(house)
    house.write()
    dying = house.runner(batch_max=7, projections=(*PROJECTIONS, KilledAt(batch)))

    with pytest.raises(Killed):
        dying.catch_up()
    before = reading.execute("SELECT max(position) FROM read.posting").fetchone()
    reached = house.runner(batch_max=7).catch_up()

    assert before is not None
    assert (before[0] or 0) <= 7 * (batch - 1)
    assert reached == house.book.head()
    assert balances(reading) == fold_balances(house.events)


def test_a_worker_killed_between_batches_is_resumed_where_it_was(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    some_days(house)
    house.write()
    first = house.runner(batch_max=9)
    with first.connect() as connection:
        assert [first.step(connection), first.step(connection)] == [9, 18]

    house.runner().catch_up()

    assert balances(reading) == fold_balances(house.events)


class Apart(Runner):
    """The control: rows in one database transaction, their position in another."""

    def step(self, connection: Connection[Any], until: int | None = None) -> int:
        tracking = ReadTracking(connection)
        position = tracking.begin("read")
        events = events_after(connection, self._vocabulary, position, 7)
        if not events:
            return position
        with connection.transaction(), connection.cursor() as cursor:
            Balances().fold(events, Target(cursor))
        for projection in self._projections:
            projection.fold(events, Target(connection.cursor()))
        tracking.insert_tracking(Tracking("read", events[-1].position))
        return events[-1].position


class Balances(Postings):
    """Balances without the postings' own primary key, which would catch a second time."""

    def fold(self, events: Sequence[Told], target: Target) -> None:
        target.cursor.execute("DELETE FROM read.posting")
        super().fold(events, target)


def test_control_a_position_written_apart_from_the_rows_doubles_them(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    some_days(house)
    house.write()
    dsn, vocabulary = house.database.dsn("projector"), house.runner()._vocabulary

    with pytest.raises(Killed):
        Apart(dsn, vocabulary, projections=(KilledAt(2),)).catch_up()
    Apart(dsn, vocabulary, projections=()).catch_up()

    assert balances(reading) != fold_balances(house.events)


def test_a_position_never_goes_back(house: StoredHouse) -> None:
    some_days(house)
    position = house.fold()

    with house.runner().connect() as connection:
        tracking = ReadTracking(connection)
        assert tracking.max_tracking_id("read") == position
        assert tracking.has_tracking_id("read", position)
        with pytest.raises(IntegrityError, match="is folded already"):
            tracking.insert_tracking(Tracking("read", position))


def test_two_workers_at_once_write_every_batch_once(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    some_days(house, deposits=40)
    house.write()
    runners = [house.runner(batch_max=5) for _ in range(2)]
    threads = [threading.Thread(target=runner.catch_up) for runner in runners]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert balances(reading) == fold_balances(house.events)


def test_a_standby_takes_over_when_the_active_worker_goes(
    house: StoredHouse, running: Running
) -> None:
    watched = ReadPosition(house.database.dsn("finance_reader"))
    watched.start()
    try:
        some_days(house, deposits=2)
        first = running.start()
        assert watched.wait_for(house.write(), PATIENCE_S)
        running.start()
        assert lock_holders(house) == 1

        first.set()
        some_more = house.register(2)
        house.credit(some_more, 500)

        assert watched.wait_for(house.write(), PATIENCE_S)
        assert lock_holders(house) == 1
    finally:
        watched.close()


def test_a_worker_whose_connection_is_cut_goes_on_with_another(
    house: StoredHouse, running: Running
) -> None:
    watched = ReadPosition(house.database.dsn("finance_reader"))
    watched.start()
    try:
        client = house.register(1)
        running.start()
        assert watched.wait_for(house.write(), PATIENCE_S)

        cut_connections(house, "projector")
        house.credit(client, 500)

        assert watched.wait_for(house.write(), PATIENCE_S)
    finally:
        watched.close()


def test_a_follower_misses_nothing_while_two_books_append(
    house: StoredHouse, running: Running, reading: Connection[Any]
) -> None:
    watched = ReadPosition(house.database.dsn("finance_reader"))
    watched.start()
    running.start()
    books = [
        Book.open(
            house.database.dsn("book_writer"), ENTITY, VOCABULARY, clock=lambda: datetime.now(UTC)
        )
        for _ in range(2)
    ]

    def append(number: int) -> None:
        for minor in range(1, 151):
            books[number].submit(credit(number, minor))

    writers = [threading.Thread(target=append, args=(number,)) for number in range(2)]
    try:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        head = books[0].head()
        assert watched.wait_for(head, PATIENCE_S)
        events = books[0].events_after(0, head)
    finally:
        watched.close()
        for book in books:
            book.close()

    entries = sum(entry_of(event) is not None for event in events)
    postings = reading.execute("SELECT count(DISTINCT position) FROM read.posting").fetchone()
    assert (entries, postings) == (300, (300,))
    assert balances(reading) == fold_balances(events)


def credit(number: int, minor: int) -> Command:
    client = client_number(number)

    def decide(decision: Decision) -> None:
        purse = open_wallet(decision, ENTITY, client, "EUR")
        moved = bookings.deposit_credited(purse, CLEARING, Money(minor, "EUR"), None, "credited")
        record(decision, purse, WalletCredited(cause=client, entry=moved))

    return Command(decide, by="tests", at=START, names=(wallet(ENTITY, client, "EUR"),))


def test_a_name_that_nobody_knows_stops_the_worker(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    some_days(house, deposits=1)
    house.write()
    old_program = Runner(house.database.dsn("projector"), Vocabulary(FACTS))

    with pytest.raises(LogUnreadable, match="does not know"):
        old_program.catch_up()
    with pytest.raises(LogUnreadable):
        old_program.run(threading.Event())

    assert balances(reading) == {}


def test_a_missing_position_stops_the_worker(house: StoredHouse) -> None:
    some_days(house, deposits=1)
    house.write()
    house.tamper("DELETE FROM book.log WHERE position = 5")

    with pytest.raises(Broken, match="position 5"):
        house.runner().catch_up()


def test_a_read_that_waits_in_vain_is_told_so(house: StoredHouse) -> None:
    some_days(house, deposits=1)
    folded = house.fold()
    house.credit(house.register(2), 100)
    head = house.write()
    watched = ReadPosition(house.database.dsn("finance_reader"))
    watched.start()
    try:
        assert watched.wait_for(folded, PATIENCE_S)
        assert not watched.wait_for(head, timeout_s=0.1)
    finally:
        watched.close()


def test_lag_is_what_is_recorded_and_not_folded(house: StoredHouse) -> None:
    some_days(house, deposits=1)
    folded = house.fold()
    house.register(2)
    head = house.write()

    with psycopg.connect(house.database.dsn("projector")) as connection:
        behind = lag(connection)

    assert (behind.position, behind.head, behind.behind) == (folded, head, head - folded)


def lock_holders(house: StoredHouse) -> int:
    with psycopg.connect(house.database.admin_dsn) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7301010"
            " AND granted AND database = (SELECT oid FROM pg_database"
            " WHERE datname = current_database())"
        ).fetchone()
    assert row is not None
    return int(row[0])


def cut_connections(house: StoredHouse, role: str) -> None:
    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(house.database.admin_dsn) as connection,
    ):
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = %s AND datname = current_database()",
            (role,),
        )
