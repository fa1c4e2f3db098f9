"""Follows the log: folds it in batches, writes rows and position in one database transaction.

One worker per book is active, by an advisory lock that goes with its connection; a standby waits
for it. Even without that lock nothing would be written twice: a batch begins at the tracked
position, whose row is locked until the batch is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from eventsourcing.persistence import IntegrityError, Tracking, TrackingRecorder
from psycopg.sql import SQL, Identifier

from ledger.store.dial import dial
from ledger.store.limits import POLL_S
from ledger.store.session import KEEPALIVE
from projections.clients import CLIENTS, KYC, TRADING, WALLETS
from projections.deposits import DEPOSITS
from projections.disputes import DISPUTES
from projections.log import LOG, events_after
from projections.payouts import PAYOUTS
from projections.postings import Postings
from projections.rows import LIVE, Projection, Target
from projections.trails import FX, REQUESTS, REVIEWS_OPENED
from projections.withdrawals import WITHDRAWALS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event as Flag

    from psycopg import Connection

    from ledger.store.codec import Vocabulary
    from ledger.store.dial import Dsn
    from projections.log import Told

PROJECTIONS: Final[tuple[Projection, ...]] = (
    Postings(),
    CLIENTS,
    TRADING,
    WALLETS,
    KYC,
    DEPOSITS,
    WITHDRAWALS,
    PAYOUTS,
    DISPUTES,
    REQUESTS,
    REVIEWS_OPENED,
    FX,
)
BATCH_MAX: Final = 10_000
"""Events that are folded and committed together."""
GATHER_S: Final = 0.02
"""How long events gather between two batches; what a read with `after=` may wait more."""
STANDBY_S: Final = 1.0
"""How often a standby asks for the lock, and how long a lost connection is left alone."""
LOCK: Final = 7_301_010
CHANNEL: Final = "read_tracking"
"""Where every committed batch is told."""

TRY_LOCK: Final = "SELECT pg_try_advisory_lock(%s)"
TRACKED: Final = """
SELECT notification_id FROM read.tracking WHERE application_name = %s FOR UPDATE
"""
BEGIN_TRACKING: Final = """
INSERT INTO read.tracking VALUES (%s, 0) ON CONFLICT DO NOTHING
"""
ADVANCE: Final = """
UPDATE read.tracking SET notification_id = %(to)s
WHERE application_name = %(name)s AND notification_id < %(to)s
"""
TELL: Final = "SELECT pg_notify(%s, %s)"
# The log is durable by itself: what a crash takes of the rows goes together with its position.
SETTINGS: Final = "SET TimeZone = 'UTC'; SET synchronous_commit = off"


class ReadTracking(TrackingRecorder):
    """How far a schema's rows are folded; works inside its user's database transaction."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move the position on.

        Raises:
            IntegrityError: it is there or beyond already.
        """
        to = {"name": tracking.application_name, "to": tracking.notification_id}
        if self._connection.execute(ADVANCE, to).rowcount != 1:
            raise IntegrityError(f"position {tracking.notification_id} is folded already")

    def max_tracking_id(self, application_name: str) -> int | None:
        """Return the position, and keep its row until the end of the database transaction."""
        row = self._connection.execute(TRACKED, (application_name,)).fetchone()
        return None if row is None else int(row[0])

    def begin(self, application_name: str) -> int:
        """Return the position, 0 where nothing is folded yet, and keep its row."""
        position = self.max_tracking_id(application_name)
        if position is None:
            self._connection.execute(BEGIN_TRACKING, (application_name,))
            position = self.max_tracking_id(application_name)
        assert position is not None, "the row was just made"
        return position


class Runner:
    """Folds the log of one book into the tables of one schema."""

    def __init__(
        self,
        dsn: Dsn,
        vocabulary: Vocabulary,
        *,
        projections: Sequence[Projection] = PROJECTIONS,
        schema: str = LIVE,
        batch_max: int = BATCH_MAX,
    ) -> None:
        """Prepare; nothing is opened before `catch_up` or `run`.

        Args:
            dsn: where the database is, as the role `projector`.
        """
        self._dsn = dsn
        self._vocabulary = vocabulary
        self._projections = projections
        self._schema = schema
        self._batch_max = batch_max

    def connect(self) -> Connection[Any]:
        """Open a connection that is set up for folding."""
        connection = dial(self._dsn, **KEEPALIVE)
        connection.execute(SETTINGS)
        return connection

    def catch_up(self, tell: Callable[[int], None] | None = None) -> int:
        """Fold everything that is in the log now, and return the position; `tell` hears of it."""
        with self.connect() as connection:
            position = -1
            while (reached := self.step(connection)) != position:
                position = reached
                if tell is not None:
                    tell(position)
        return position

    def run(self, stop: Flag) -> None:
        """Follow the log until told to stop; stand by while another worker does.

        Raises:
            LogUnreadable: the log holds a name or version that this program does not know.
            Broken: a position is missing.
        """
        while not stop.is_set():
            try:
                with self.connect() as connection:
                    if self._is_ours(connection):
                        self._follow(connection, stop)
            except psycopg.OperationalError:
                pass  # the connection went, and the lock with it: ask again
            stop.wait(STANDBY_S)

    def step(self, connection: Connection[Any], until: int | None = None) -> int:
        """Fold one batch, at most until a position, and return the position then."""
        with connection.transaction():
            tracking = ReadTracking(connection)
            position = tracking.begin(self._schema)
            limit = self._batch_max if until is None else min(self._batch_max, until - position)
            events = (
                events_after(connection, self._vocabulary, position, limit) if limit > 0 else []
            )
            if not events:
                return position
            if until is None and (more := facts_missing(events)):
                events += events_after(connection, self._vocabulary, events[-1].position, more)
            position = events[-1].position
            with connection.cursor() as cursor:
                for projection in self._projections:
                    projection.fold(events, Target(cursor, self._schema))
            tracking.insert_tracking(Tracking(self._schema, position))
            connection.execute(TELL, (CHANNEL, f"{self._schema} {position}"))
        return position

    def _is_ours(self, connection: Connection[Any]) -> bool:
        row = connection.execute(TRY_LOCK, (LOCK,)).fetchone()
        return row is not None and bool(row[0])

    def _follow(self, connection: Connection[Any], stop: Flag) -> None:
        connection.execute(SQL("LISTEN {}").format(Identifier(LOG.channel)))
        position = -1
        while not stop.is_set():
            reached = self.step(connection)
            if reached == position:
                for _ in connection.notifies(timeout=POLL_S, stop_after=1):
                    pass
            else:
                # A burst is folded together: every batch costs the same, however small it is.
                stop.wait(GATHER_S)
            position = reached


def facts_missing(events: Sequence[Told]) -> int:
    """Say how many facts of the last command are not among the events.

    A reader between two batches would see money that left one wallet and reached no other.
    """
    for count, event in enumerate(reversed(events), start=1):
        if event.facts > 1:
            return max(0, event.facts - count)
    return 0
