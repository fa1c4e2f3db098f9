"""What the event store library builds an application from: our recorders, our stored names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from uuid import UUID

from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from eventsourcing.postgres import BasePostgresFactory, PostgresFactory
from eventsourcing.utils import Environment

from ledger.decision import Event
from ledger.store.recorder import LogDatastore, LoggedEvent, LogRecorder, SnapshotRecorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsourcing.domain import DomainEventProtocol

    from ledger.store.chain import Link
    from ledger.store.codec import Vocabulary
    from ledger.store.dial import Dsn
    from ledger.store.tables import Log

_UNRECORDED = datetime(1970, 1, 1, tzinfo=UTC)


class DomainEvent(Event, frozen=True, gc=False):
    """An event under the names that the library uses."""

    @property
    def originator_id(self) -> UUID:
        """The stream."""
        return self.stream_id

    @property
    def originator_version(self) -> int:
        """The version."""
        return self.version


class FactMapper(Mapper[UUID]):
    """Maps by our vocabulary. The library's own mapper would import any path that a row names."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(transcoder=JSONTranscoder())
        self._vocabulary = vocabulary

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Encode an event."""
        event = cast("DomainEvent", domain_event)
        state = self._vocabulary.encode(event.fact, event.at, event.by, why=event.why)
        return StoredEvent(event.stream_id, event.version, event.fact.NAME, state)

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """Decode an event.

        Raises:
            LogUnreadable: this program does not know the name or the version.
        """
        told = self._vocabulary.decode(stored_event.topic, stored_event.state)
        logged = stored_event if isinstance(stored_event, LoggedEvent) else None
        return DomainEvent(
            position=logged.id if logged else 0,
            stream_id=cast("UUID", stored_event.originator_id),
            version=stored_event.originator_version,
            fact=told.data,
            at=told.at,
            by=told.by,
            why=told.why,
            recorded_at=logged.recorded_at if logged else _UNRECORDED,
            request=told.req,
        )


class StoreFactory(PostgresFactory):
    """Builds recorders on one connection string; nothing is read from the environment."""

    def __init__(self, dsn: Dsn, log: Log, beginning: Link, clock: Callable[[], datetime]) -> None:
        super(BasePostgresFactory, self).__init__(Environment(log.channel))
        self.datastore = LogDatastore(dsn)
        self._log = log
        self._beginning = beginning
        self._clock = clock

    def application_recorder(self) -> LogRecorder:
        """Return a recorder of the log."""
        assert isinstance(self.datastore, LogDatastore)
        return LogRecorder(self.datastore, self._log, self._beginning, self._clock)

    def aggregate_recorder(self, purpose: str = "snapshots") -> SnapshotRecorder:
        """Return a recorder of the snapshots, the only sequence beside the log."""
        assert purpose == "snapshots", purpose
        assert isinstance(self.datastore, LogDatastore)
        return SnapshotRecorder(self.datastore)
