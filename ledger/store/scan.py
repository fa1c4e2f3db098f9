"""The log read from end to end: one binary COPY, each row taken apart once and copied never twice.

Nothing is made of a row that its reader does not need: no UUID, no time, no `Row`.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ledger.store.chain import Broken, micros
from ledger.store.rows import COPY_TRAILER

if TYPE_CHECKING:
    from collections.abc import Generator

    from psycopg import Connection

    from ledger.store.chain import Row
    from ledger.store.tables import Log

COPY_OUT: Final = """
COPY (SELECT position, stream, version, recorded_at, digest, request_key, name, state
      FROM {log} ORDER BY position) TO STDOUT (FORMAT BINARY)
"""
_HEADER_BYTES: Final = 19
_TO_KEY: Final = struct.Struct(">2x4xq4x16s4xq4xq4x32si")
_LENGTH: Final = struct.Struct(">i")
_KEY_BYTES: Final = 16
_ROW_BYTES_MIN: Final = _TO_KEY.size + 2 * _LENGTH.size
_ENDS: Final = (COPY_TRAILER, b"")
_SERVER_EPOCH_US: Final = micros(datetime(2000, 1, 1, tzinfo=UTC))
"""Microseconds from 1970 to where the server begins to count."""


Stored = tuple[int, bytes, int, str, bytes, int, bytes | None, bytes]
"""A row as it stands: the fields of `Row`, with the stream's id as its 16 bytes."""


def as_stored(row: Row) -> Stored:
    """Look at a row in the same way."""
    position, stream, version, name, state, recorded_us, key, digest = row
    return position, stream.bytes, version, name, state, recorded_us, key, digest


def scan(connection: Connection[Any], log: Log) -> Generator[Stored, None, None]:
    """Walk through all rows in position order, whatever they say.

    Close it where its end is not reached: the server is then told to stop, and a transaction that
    was open before goes on.

    The server says where a field ends, so a row with a field that is longer than the table allows
    is read as something else: no digest covers that.

    Raises:
        Broken: a row is too short to be one.
    """
    to_key, length, names = _TO_KEY.unpack_from, _LENGTH.unpack_from, _Names()
    with connection.transaction(), connection.cursor().copy(log.sql(COPY_OUT)) as copy:
        start = _HEADER_BYTES
        for message in copy:
            data = bytes(message)
            if len(data) < start + _ROW_BYTES_MIN:
                if data[start:] not in _ENDS:
                    raise Broken(_position(data[start:]), "the row has not the form of the log")
                continue
            position, stream, version, recorded, seal, keyed = to_key(data, start)
            at = start + _TO_KEY.size
            start, key = 0, None
            if keyed == _KEY_BYTES:
                key = data[at : at + keyed]
                at += keyed
            stop = at + 4 + length(data, at)[0]
            yield (
                position,
                stream,
                version,
                names[data[at + 4 : stop]],
                data[stop + 4 :],
                recorded + _SERVER_EPOCH_US,
                key,
                seal,
            )


class _Names(dict[bytes, str]):
    """Names as text; there are few."""

    def __missing__(self, written: bytes) -> str:
        name = self[written] = written.decode("utf-8", "replace")
        return name


def _position(data: bytes) -> int:
    return int.from_bytes(data[6:14], "big", signed=True)
