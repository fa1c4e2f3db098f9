"""The digests of a chained log, in position order: the leaves of its Merkle tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.store.chain import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from ledger.store.tables import Log

PAGE: Final = 20_000
"""Digests that are read at a time."""
AFTER: Final = "SELECT position, digest FROM {log} WHERE position > %s ORDER BY position LIMIT %s"


def digests(connection: Connection[Any], log: Log, position: int = 0) -> Iterator[bytes]:
    """Walk through the digests after a position, as they are stored.

    Raises:
        Broken: a position is missing. In a log written under its lock that cannot be.
    """
    query = log.sql(AFTER)
    while True:
        with connection.cursor(binary=True) as cursor:
            page = cursor.execute(query, (position, PAGE)).fetchall()
        if not page:
            return
        for found, digest in page:
            position += 1
            if found != position:
                raise Broken(position, f"missing: the next row is {found}")
            yield bytes(digest)
