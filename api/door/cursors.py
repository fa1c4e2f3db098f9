"""Opaque cursors: a position in the log, sealed for one listing and one caller's question."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from api.door.problems import ApiProblem

KEY_BYTES_MIN: Final = 32
POSITION_MAX: Final = 2**63 - 1
_POSITION_BYTES: Final = 8
_SEAL_BYTES: Final = 16
_TEXT_CHARS: Final = 32
_LABEL: Final = b"counterfoil/cursor/1\x00"


class Cursors:
    """Seals and opens cursors with one key, the same in every process of a book."""

    def __init__(self, key: bytes) -> None:
        assert len(key) >= KEY_BYTES_MIN, "a short key can be guessed"
        self._key = key

    def seal(self, position: int, listing: str) -> str:
        """Make the cursor that goes on after `position` in the listing.

        Args:
            position: 0 to 2^63 − 1.
            listing: what the cursor is good for: the route with its filters and the client.
        """
        assert 0 <= position <= POSITION_MAX, position
        raw = position.to_bytes(_POSITION_BYTES, "big")
        return base64.urlsafe_b64encode(raw + self._seal(raw, listing)).decode("ascii")

    def open(self, cursor: str, listing: str) -> int:
        """Return the position that a cursor holds.

        Raises:
            ApiProblem: none of ours, or another listing's (`bad_cursor`).
        """
        raw = _decode(cursor)
        position, seal = raw[:_POSITION_BYTES], raw[_POSITION_BYTES:]
        if not hmac.compare_digest(seal, self._seal(position, listing)):
            raise _bad()
        return int.from_bytes(position, "big")

    def _seal(self, position: bytes, listing: str) -> bytes:
        message = _LABEL + position + listing.encode()
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_SEAL_BYTES]


def _decode(cursor: str) -> bytes:
    # 24 bytes are 32 characters without padding: one text, one cursor.
    if len(cursor) != _TEXT_CHARS or not cursor.isascii():
        raise _bad()
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except ValueError:
        raise _bad() from None
    if len(raw) != _POSITION_BYTES + _SEAL_BYTES:
        raise _bad()
    return raw


def _bad() -> ApiProblem:
    return ApiProblem("bad_cursor")
