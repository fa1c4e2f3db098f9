"""Rows of the log on their way in (binary COPY) and out."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from ledger.decision import Event
from ledger.store.chain import Row, micros, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.store.codec import Vocabulary

COPY_IN: Final = "COPY {log} ({columns}) FROM STDIN (FORMAT BINARY)"
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"

_PG_EPOCH_US: Final = 946_684_800_000_000
"""Microseconds from 1970 to 2000, where the server begins to count."""
_TO_NAME: Final = struct.Struct(">hiqi16siqi")
_LENGTH: Final = struct.Struct(">i")
_KEYED: Final = struct.Struct(">iqi16si32s")
_UNKEYED: Final = struct.Struct(">iqii32s")
_NULL: Final = -1


def pack(rows: Sequence[Row]) -> bytes:
    """Write rows in the server's binary COPY form: each field its length and its bytes."""
    parts: list[bytes] = []
    for position, stream, version, name, state, recorded_us, key, digest in rows:
        stored_name, us = name.encode(), recorded_us - _PG_EPOCH_US
        parts += (
            _TO_NAME.pack(8, 8, position, 16, stream.bytes, 8, version, len(stored_name)),
            stored_name,
            _LENGTH.pack(len(state)),
            state,
            _UNKEYED.pack(8, us, _NULL, 32, digest)
            if key is None
            else _KEYED.pack(8, us, 16, key, 32, digest),
        )
    return b"".join(parts)


def row_of(fields: Sequence[Any]) -> Row:
    """Read a row selected as `{columns}`."""
    position, stream, version, name, state, recorded_at, key, digest = fields
    return Row(
        position,
        stream,
        version,
        name,
        bytes(state),
        micros(recorded_at),
        None if key is None else key.bytes,
        bytes(digest),
    )


def event_of(row: Row, vocabulary: Vocabulary) -> Event:
    """Read a row's fact.

    Raises:
        LogUnreadable: this program does not know the name or the version.
    """
    told = vocabulary.decode(row.name, row.state)
    return Event(
        row.position,
        row.stream,
        row.version,
        told.data,
        told.at,
        told.by,
        told.why,
        moment(row.recorded_us),
        told.req,
    )
