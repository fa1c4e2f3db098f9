"""Folded states of long streams, so that a load reads a tail and not a life.

A snapshot's name holds the kind and a digest of the state's form: a state of another form is not
found, and the stream is folded from its beginning.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ledger.store.limits import SNAPSHOT_EVERY
from ledger.store.states import Known

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.decision import Kind


class Snapshot(NamedTuple):
    """A folded state, as it is kept."""

    stream: UUID
    version: int
    name: str
    state: bytes


_ENCODER = msgspec.json.Encoder()


@lru_cache(maxsize=1024)
def _shape(form: type[msgspec.Struct]) -> str:
    shape = msgspec.json.encode(msgspec.json.schema(form), order="sorted")
    return hashlib.sha256(shape).hexdigest()[:12]


def snapshot_name(kind: Kind[Any]) -> str:
    """Return the name under which snapshots of this kind and form are kept."""
    form: type[msgspec.Struct] = type(kind.blank)
    return f"{kind.name}/{_shape(form)}"


def snapshot_of(stream: UUID, known: Known) -> Snapshot:
    """Write a state as it will be kept."""
    return Snapshot(stream, known.version, snapshot_name(known.kind), _ENCODER.encode(known.state))


def decode_state(kind: Kind[Any], version: int, state: bytes) -> Known:
    """Read a state back."""
    return Known(kind, version, msgspec.json.decode(state, type=type(kind.blank)))


def is_due(before: int, after: int) -> bool:
    """Tell whether a stream that grew from one version to another deserves a snapshot."""
    return after // SNAPSHOT_EVERY > before // SNAPSHOT_EVERY
