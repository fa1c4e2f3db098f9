"""The event store library's own test cases pass on our recorders."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)

from ledger.store.chain import genesis, verify_links
from ledger.store.infrastructure import StoreFactory
from ledger.store.reader import Reader
from ledger.store.recorder import LogRecorder, SnapshotRecorder
from ledger.store.tables import LOGS
from tests.integration.lanes import DEBIAN_15, EMBEDDED
from tests.unit.ledger.store.counter import ENTITY, Ticking, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.database.roles import Database
    from tests.integration.lanes import Lanes


@pytest.fixture(params=["log", "access"])
def log(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def factory(database: Database, log: str) -> Iterator[StoreFactory]:
    dsn = database.dsn("access_writer" if log == "access" else "book_writer")
    made = StoreFactory(dsn, LOGS[log], genesis(log, ENTITY), Ticking())
    yield made
    made.close()


@pytest.fixture
def hand_over(request: pytest.FixtureRequest, lanes: Lanes) -> Iterator[None]:
    """Give the test case its factory, in the lane that its class names.

    A `TestCase` takes no fixture as an argument, and is no test of several parameters.
    """
    with lanes.database(request.cls.lane) as database:
        dsn, beginning = database.dsn("book_writer"), genesis("log", ENTITY)
        request.cls.factory = StoreFactory(dsn, LOGS["log"], beginning, Ticking())
        yield
        request.cls.factory.close()


@pytest.mark.usefixtures("hand_over")
class TestLogRecorder(ApplicationRecorderTestCase[LogRecorder]):
    factory: StoreFactory
    lane = EMBEDDED

    def create_recorder(self) -> LogRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


@pytest.mark.usefixtures("hand_over")
class TestNonInterleaving(NonInterleavingNotificationIDsBaseCase):
    factory: StoreFactory
    lane = EMBEDDED

    def create_recorder(self) -> LogRecorder:
        return self.factory.application_recorder()


@pytest.mark.usefixtures("hand_over")
class TestSnapshotRecorder(AggregateRecorderTestCase):
    factory: StoreFactory
    lane = EMBEDDED

    def create_recorder(self) -> SnapshotRecorder:
        return self.factory.aggregate_recorder()


class TestLogRecorderOnDebian15(TestLogRecorder):
    lane = DEBIAN_15


class TestNonInterleavingOnDebian15(TestNonInterleaving):
    lane = DEBIAN_15


class TestSnapshotRecorderOnDebian15(TestSnapshotRecorder):
    lane = DEBIAN_15


del ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase, AggregateRecorderTestCase


def stored(version: int) -> StoredEvent:
    return StoredEvent(UUID(int=7), version, "toy.stored", b"{}")


def test_what_the_recorder_appends_is_chained(factory: StoreFactory, log: str) -> None:
    recorder = factory.application_recorder()
    recorder.insert_events([stored(1), stored(2)])
    recorder.insert_events([stored(3)])
    rows = Reader(factory.datastore, LOGS[log], vocabulary()).rows()
    assert verify_links(genesis(log, ENTITY), rows).position == 3


def test_a_refused_append_leaves_no_gap(factory: StoreFactory) -> None:
    recorder = factory.application_recorder()
    recorder.insert_events([stored(1)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored(1)])
    assert recorder.insert_events([stored(2)]) == [2]
