"""Checkpoints: signed statements of what the log was, kept where the database cannot reach.

The form is C2SP's: a *tlog-checkpoint* in a *signed note* with an ed25519 key.

    counterfoil/<entity>/<log>            the origin, which is the name of the key too
    <size>                                how many positions the tree covers
    <root, base64>                        `ledger.store.merkle`
                                          an empty line
    — <origin> <base64 of 4 bytes of key hash ‖ signature>

The signature is over everything before the empty line, the last newline included. The key hash is
the first 4 bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ public key).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ledger.store.merkle import Frontier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ledger.ids import EntityId

_ED25519: Final = b"\1"
_HASH_BYTES: Final = 4
_ROOT_BYTES: Final = 32
_NOTE: Final = re.compile(
    r"(?P<text>(?P<origin>[^\n]+)\n(?P<size>[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/=]+)\n)"
    r"\n— (?P<name>[^ \n]+) (?P<signature>[A-Za-z0-9+/=]+)\n"
)


class NoCheckpoint(Exception):
    """These bytes are no checkpoint of this log, or not signed by this key."""


class LogDiffers(Exception):
    """The log is not the one that its checkpoints speak of: shorter, or another."""


class Key(Protocol):
    """The public half of an ed25519 key."""

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        ...

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature over the message is of this key."""
        ...


class Signer(Key, Protocol):
    """Signs: a key file in the embedded default, a vault that never gives the key away."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of an ed25519 signature."""
        ...


class CheckpointStore(Protocol):
    """Where the checkpoints of one log are kept. What is kept is never changed."""

    def keep(self, size: int, note: bytes) -> None:
        """Keep a checkpoint, durably; the same one again is welcome.

        Raises:
            LogDiffers: another one of this size is kept.
        """
        ...

    def kept(self) -> Iterator[tuple[int, bytes]]:
        """Walk through the checkpoints by size."""
        ...

    def set_aside(self, sizes: Iterable[int]) -> None:
        """Move checkpoints out of the way after a restore; they are never deleted."""
        ...

    def aside(self) -> int:
        """Count what was set aside."""
        ...

    def keep_edge(self, written: bytes) -> None:
        """Keep the tree's edge at the newest checkpoint in the place of the one before."""
        ...

    def edge(self) -> bytes | None:
        """Return the edge that is kept, if any. It proves nothing."""
        ...


class Checkpoint(NamedTuple):
    """What the log was when it had `size` positions."""

    origin: str
    size: int
    root: bytes

    def text(self) -> bytes:
        """Write what is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n".encode()

    def signed(self, signer: Signer) -> bytes:
        """Write the signed note."""
        text = self.text()
        signature = _key_hash(self.origin, signer.public) + signer.sign(text)
        return text + f"\n— {self.origin} {_base64(signature)}\n".encode()


def origin(entity: EntityId, log: str) -> str:
    """Name a log to the world: the first line of its checkpoints, and the name of their key."""
    return f"counterfoil/{entity}/{log}"


def verifier_key(name: str, public: bytes) -> str:
    """Write a public key as C2SP signed notes do: `name+hash+key`."""
    return f"{name}+{_key_hash(name, public).hex()}+{_base64(_ED25519 + public)}"


def read_verifier_key(text: str) -> bytes:
    """Read a public key as `verifier_key` writes it.

    Raises:
        NoCheckpoint: it is none, or its hash is not the key's.
    """
    name, _, rest = text.partition("+")
    said, _, encoded = rest.partition("+")
    raw = _unbase64(encoded)
    if raw[:1] != _ED25519 or _key_hash(name, raw[1:]).hex() != said:
        raise NoCheckpoint("this is no public key of checkpoints")
    return raw[1:]


def opened(note: bytes, expected: str, *keys: Key) -> Checkpoint:
    """Read a signed note.

    Args:
        note: its bytes.
        expected: the origin.
        keys: those that are believed: the one that signs today, and any before it.

    Raises:
        NoCheckpoint: it has another form or origin, or the signature is of none of these keys.
    """
    found = _NOTE.fullmatch(note.decode("utf-8", "replace"))
    if found is None:
        raise NoCheckpoint("it has not the form of a checkpoint")
    if found["origin"] != expected or found["name"] != expected:
        raise NoCheckpoint(f"it is of {found['origin']}, not of {expected}")
    root, signature = _unbase64(found["root"]), _unbase64(found["signature"])
    named = [key for key in keys if signature[:_HASH_BYTES] == _key_hash(expected, key.public)]
    if len(root) != _ROOT_BYTES or not named:
        raise NoCheckpoint("it is signed by another key")
    if not any(key.verifies(found["text"].encode(), signature[_HASH_BYTES:]) for key in named):
        raise NoCheckpoint("the signature does not cover what it says")
    return Checkpoint(expected, int(found["size"]), root)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where log and checkpoints part: the first row that can be another, and why."""

    position: int
    words: str


def resumed(
    edge: bytes | None, checkpoints: Iterable[Checkpoint], digest_at: Callable[[int], bytes | None]
) -> Frontier | None:
    """Go on from an edge that was kept with a checkpoint, if that and the log bear it out.

    The edge is that before the checkpoint's newest row. The row's digest is the log's own, and
    covers every row ahead of it: a log that was cut or made anew does not lead to the signed root.

    Args:
        edge: as `Frontier.before` wrote it. Anybody may have changed it.
        checkpoints: those whose signatures hold.
        digest_at: reads the digest of a position from the log.
    """
    try:
        frontier = Frontier.read(edge or b"")
    except ValueError:
        return None
    roots = {each.size: each.root for each in checkpoints}
    digest = digest_at(frontier.size + 1) if frontier.size + 1 in roots else None
    if digest is None:
        return None
    frontier.add(digest)
    return frontier if frontier.root() == roots[frontier.size] else None


class Trail:
    """Grows the tree along the log, and meets the checkpoints on its way.

    Args:
        checkpoints: those to meet.
        frontier: where it begins, if not before the first row: at one of the checkpoints.
    """

    def __init__(self, checkpoints: Iterable[Checkpoint], frontier: Frontier | None = None) -> None:
        self.frontier = frontier or Frontier()
        self.held = self.frontier.size
        """Size of the newest checkpoint up to which log and checkpoints agree."""
        ahead = [each for each in checkpoints if each.size > self.held]
        self._due = sorted(ahead, key=lambda each: each.size, reverse=True)
        self._difference: Difference | None = None

    def add(self, digest: bytes) -> None:
        """Take the digest of the next position."""
        self.frontier.add(digest)
        if self._due and self._due[-1].size == self.frontier.size:
            self._meet(self._due.pop())

    def difference(self) -> Difference | None:
        """Tell, at the end of the log, where it differs first."""
        if self._difference is None and self._due:
            head, size = self.frontier.size, self._due[-1].size
            return Difference(head + 1, f"cut: the log ends at {head}, a checkpoint covers {size}")
        return self._difference

    def _meet(self, checkpoint: Checkpoint) -> None:
        if self._difference is not None:
            return
        if self.frontier.root() == checkpoint.root:
            self.held = checkpoint.size
            return
        rows = f"rows {self.held + 1} to {checkpoint.size}"
        words = f"{rows} are not those that the checkpoint of {checkpoint.size} covers"
        self._difference = Difference(self.held + 1, words)


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:_HASH_BYTES]


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NoCheckpoint("its base64 is broken") from None
