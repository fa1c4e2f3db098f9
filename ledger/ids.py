"""Names of things: typed ids, and ids derived from what the outside calls them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, NewType
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

EntityId = NewType("EntityId", str)
"""A legal entity that owns a book, e.g. `acme-cy`. In every account path, token and derived id."""
ClientId = NewType("ClientId", UUID)
DepositId = NewType("DepositId", UUID)
WithdrawalId = NewType("WithdrawalId", UUID)
PayoutId = NewType("PayoutId", UUID)
DisputeId = NewType("DisputeId", UUID)
WalletId = NewType("WalletId", UUID)

KEY_BYTES = 16


def derived_id(created_at: datetime, *parts: str) -> UUID:
    """Derive the id of something that the outside names, the same wherever and whenever it is met.

    A UUIDv8: 32 bits of the world's creation time as the provider states it in every delivery
    (seconds since 1970; neighbours in time are neighbours in the index), then SHA-256 of the
    parts. Never derive from personal data.

    Args:
        created_at: creation time of the outside object, timezone-aware.
        parts: entity, provider, merchant account, `live` or `test`, object type, reference.
    """
    assert created_at.tzinfo is not None, "times carry a zone"
    return _uuid8(int(created_at.timestamp()) & 0xFFFFFFFF, *parts)


def child_id(parent: UUID, *parts: str) -> UUID:
    """Derive the id of a part of something of ours: a client's wallet, a withdrawal's payout."""
    return _uuid8(parent.int >> 96, str(parent), *parts)


def request_key(*parts: str) -> bytes:
    """Hash what identifies a request into the 16 bytes of the log's unique key column."""
    return _sha256(*parts)[:KEY_BYTES]


def fingerprint(contents: bytes) -> str:
    """Hash a request's contents: the same key with another fingerprint is a conflict."""
    return hashlib.sha256(contents).hexdigest()[:32]


def sha256_hex(raw: bytes) -> str:
    """The digest by which the log speaks of bytes that are kept elsewhere."""
    return hashlib.sha256(raw).hexdigest()


def _uuid8(head: int, *parts: str) -> UUID:
    raw = bytearray(head.to_bytes(4, "big") + _sha256(*parts)[:12])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    # A fifth of the time that `UUID(bytes=...)` takes, on the way of every command.
    return msgspec.convert(bytes(raw), UUID)


def _sha256(*parts: str) -> bytes:
    return hashlib.sha256(_framed(*parts[:-1]) + _frame(parts[-1])).digest()


@lru_cache(maxsize=1024)
def _framed(*parts: str) -> bytes:
    """What stands ahead of the last part is nearly always the same few names."""
    return b"".join([_frame(part) for part in parts])


def _frame(part: str) -> bytes:
    raw = part.encode()
    return len(raw).to_bytes(4, "big") + raw
