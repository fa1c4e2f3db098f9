"""Streams out of the database: the newest snapshot and the tail, in one query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import tuple_row

from ledger.store.snapshots import decode_state, snapshot_name
from ledger.store.states import Known

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from psycopg import Connection

    from ledger.decision import Stream
    from ledger.store.codec import Vocabulary
    from ledger.store.tables import Log

LOAD: Final = """
WITH newest AS (
    SELECT wanted.stream, found.version, found.state
    FROM unnest(%s::text::uuid[], %s::text::text[]) AS wanted (stream, name)
    LEFT JOIN LATERAL (
        SELECT version, state FROM book.snapshot
        WHERE stream = wanted.stream AND name = wanted.name
        ORDER BY version DESC LIMIT 1
    ) AS found ON true
)
SELECT stream, version, NULL AS name, state FROM newest WHERE version IS NOT NULL
UNION ALL
SELECT newest.stream, tail.version, tail.name, tail.state
FROM newest CROSS JOIN LATERAL (
    SELECT version, name, state FROM {log}
    WHERE stream = newest.stream AND version > coalesce(newest.version, 0)
    ORDER BY version LIMIT 9223372036854775807
) AS tail
ORDER BY stream, version
"""
"""The limit keeps each tail a walk along the index, whatever the planner believes."""


class Loader:
    """Loads streams over a connection. The states may be newer than what others have seen."""

    def __init__(self, log: Log, vocabulary: Vocabulary) -> None:
        self._load = log.sql(LOAD)
        self._vocabulary = vocabulary

    def load(
        self, connection: Connection[Any], streams: Iterable[Stream[Any]]
    ) -> dict[UUID, Known]:
        """Return every stream's state; the blank one where it has no facts."""
        loaded = {stream.id: Known(stream.kind, 0, stream.kind.blank) for stream in streams}
        # Arrays as texts: the driver takes its time over lists.
        ids = "{" + ",".join([stream.hex for stream in loaded]) + "}"
        kinds = {known.kind.name: known.kind for known in loaded.values()}
        written = {name: f'"{snapshot_name(kind)}"' for name, kind in kinds.items()}
        names = "{" + ",".join([written[known.kind.name] for known in loaded.values()]) + "}"
        with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
            cursor.execute(self._load, (ids, names))
            for stream, version, name, state in cursor:
                loaded[stream] = self._folded(loaded[stream], version, name, bytes(state))
        return loaded

    def _folded(self, known: Known, version: int, name: str | None, state: bytes) -> Known:
        if name is None:
            return decode_state(known.kind, version, state)
        assert version == known.version + 1, f"version {known.version + 1} is missing"
        return known.then(self._vocabulary.decode(name, state).data)
