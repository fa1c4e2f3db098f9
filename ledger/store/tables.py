"""The chained logs of a database: their tables, locks and channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg.sql import SQL, Identifier, Literal

if TYPE_CHECKING:
    from typing import LiteralString

SCHEMA: Final = "book"


@dataclass(frozen=True, slots=True)
class Log:
    """One chained log. Whoever appends to it holds its advisory lock."""

    name: str
    lock: int

    @property
    def channel(self) -> str:
        """The name under which an append is notified."""
        return f"{SCHEMA}_{self.name}"

    def sql(self, text: LiteralString) -> bytes:
        """Write a statement for this log: `{log}`, `{lock}`, `{channel}` and `{columns}`."""
        query = SQL(text).format(
            log=Identifier(SCHEMA, self.name),
            lock=Literal(self.lock),
            channel=Literal(self.channel),
            columns=SQL(COLUMNS),
        )
        return query.as_bytes(None)


COLUMNS: Final = "position, stream, version, name, state, recorded_at, request_key, digest"

LOGS: Final = {log.name: log for log in (Log("log", 7_301_001), Log("access", 7_301_002))}
"""The book itself, and the record of who read or changed what."""
