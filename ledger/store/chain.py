"""The hash chain: every row's digest covers the row before it and all that the row says.

    digest(0) = SHA-256("counterfoil/<log>/1" ‖ 0x00 ‖ book id)
    digest(n) = SHA-256(0x00 ‖ digest(n-1) ‖ position ‖ stream ‖ version ‖ recorded_at
                        ‖ len(name) ‖ name ‖ len(state) ‖ state)

Integers are 8 bytes, big-endian; `stream` is the 16 bytes of its id; `recorded_at` is microseconds
since 1970; name and state are the stored bytes.
"""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BEFORE_NAME: Final = struct.Struct(">c32sq16sqqq")
_LENGTH: Final = struct.Struct(">q")


class Row(NamedTuple):
    """A row of the log, as it is stored."""

    position: int
    stream: UUID
    version: int
    name: str
    state: bytes
    recorded_us: int
    key: bytes | None
    digest: bytes


class Link(NamedTuple):
    """What the next row chains to: the newest row's position, digest and time."""

    position: int
    digest: bytes
    recorded_us: int


def genesis(log: str, book_id: str) -> Link:
    """Return what position 1 chains to."""
    digest = hashlib.sha256(f"counterfoil/{log}/1".encode() + b"\0" + book_id.encode()).digest()
    return Link(0, digest, 0)


def digest(
    before: bytes,
    position: int,
    stream: bytes,
    version: int,
    recorded_us: int,
    name: bytes,
    state: bytes,
) -> bytes:
    """Return the digest of a row. `stream` is the 16 bytes of the id."""
    head = _BEFORE_NAME.pack(b"\0", before, position, stream, version, recorded_us, len(name))
    return hashlib.sha256(b"".join((head, name, _LENGTH.pack(len(state)), state))).digest()


def micros(moment: datetime) -> int:
    """Return microseconds since 1970. Integers only: a float of seconds is off by one at times."""
    return (moment - EPOCH) // _MICROSECOND


def moment(recorded_us: int) -> datetime:
    """Return the UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=recorded_us)


class Broken(Exception):
    """The chain does not hold at `position`."""

    def __init__(self, position: int, words: str) -> None:
        super().__init__(f"position {position}: {words}")
        self.position = position
        self.words = words


def follow(link: Link, row: Row) -> Link:
    """Check that the row is the one after the link, and return the row's own link.

    Raises:
        Broken: a position is missing or doubled, time runs backwards, or the digest is not ours.
    """
    expected = link.position + 1
    if row.position != expected:
        raise Broken(expected, f"missing: the next row is {row.position}")
    if row.recorded_us < link.recorded_us:
        raise Broken(row.position, "recorded before the row ahead of it")
    found = digest(
        link.digest,
        row.position,
        row.stream.bytes,
        row.version,
        row.recorded_us,
        row.name.encode(),
        row.state,
    )
    if found != row.digest:
        raise Broken(row.position, "the digest does not cover what the row says")
    return Link(row.position, row.digest, row.recorded_us)


def verify_links(link: Link, rows: Iterable[Row]) -> Link:
    """Follow the chain over rows in position order, and return where it ends.

    Raises:
        Broken: at the first row that does not follow from the one before it.
    """
    for row in rows:
        link = follow(link, row)
    return link
