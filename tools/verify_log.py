#!/usr/bin/env python3
"""Verifies an exported log by itself: Python 3.11 and `cryptography`, nothing of Counterfoil's.

    counterfoil export --format raw --out log.jsonl
    python verify_log.py log.jsonl --origin counterfoil/acme-cy/log \
        --checkpoints FOLDER --key "counterfoil/acme-cy/log+HASH+KEY"

The bytes and formulas are those of docs/log-format.md. Exit codes: 0 all of it holds; 1 it does
not, and the first bad row is named; 2 it could not be verified at all.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import uuid
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIELDS = {"position", "stream", "version", "recorded_us", "name", "state", "digest"}
ORIGIN = re.compile(r"counterfoil/(?P<entity>[a-z][a-z0-9-]{1,31})/(?P<log>log|access)")
NOTE = re.compile(
    r"(?P<text>(?P<origin>[^\n]+)\n(?P<size>[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/=]+)\n)"
    r"\n\u2014 (?P<name>[^ \n]+) (?P<signature>[A-Za-z0-9+/=]+)\n"
)
OPENING = "ledger.book-opened"
LEGS_MIN, LEGS_MAX = 2, 64
ED25519 = b"\x01"


class Bad(Exception):
    """Something does not hold at a position; 0 where it is no row's fault."""

    def __init__(self, position: int, words: str) -> None:
        super().__init__(f"position {position}: {words}" if position else words)


class Unusable(Exception):
    """What was given cannot be verified at all."""


# --- rows


class Rows:
    """Takes the lines in order, and remembers what the next one has to follow."""

    def __init__(self, entity: str, log: str) -> None:
        self.entity = entity
        self.position = 0
        self.recorded_us = 0
        beginning = f"counterfoil/{log}/1".encode() + b"\0" + entity.encode()
        self.before = hashlib.sha256(beginning).digest()
        self.versions: dict[uuid.UUID, int] = {}
        self.entries = 0

    def take(self, line: str) -> bytes:
        """Check one row against all before it, and return its digest."""
        expected = self.position + 1
        row = _object(line, expected)
        if set(row) != FIELDS or not all(
            type(row[name]) is int for name in ("position", "version", "recorded_us")
        ):
            raise Bad(expected, "the line has other fields than a row")
        if row["position"] != expected:
            raise Bad(expected, f"missing: the next row is {row['position']}")
        if row["recorded_us"] < self.recorded_us:
            raise Bad(expected, "recorded before the row ahead of it")
        try:
            stream, digest = uuid.UUID(row["stream"]), bytes.fromhex(row["digest"])
            state = base64.b64decode(row["state"], validate=True)
            name = row["name"].encode()
        except (ValueError, TypeError, AttributeError):
            raise Bad(expected, "the line is no row") from None
        if _digest(self.before, row, stream, name, state) != digest:
            raise Bad(expected, "the digest does not cover what the row says")
        version = self.versions.get(stream, 0) + 1
        if row["version"] != version:
            raise Bad(expected, f"version {row['version']} of {stream} is not {version}")
        self._read(expected, row["name"], state)
        self.position, self.recorded_us, self.before = expected, row["recorded_us"], digest
        self.versions[stream] = version
        return digest

    def _read(self, position: int, name: str, state: bytes) -> None:
        """Check the fact: who opens the book, and whether the entry balances."""
        envelope = _object(state, position)
        data = envelope.get("data")
        if not isinstance(data, dict) or not {"v", "at", "by"} <= set(envelope):
            raise Bad(position, "the state is no fact")
        if (name == OPENING) != (position == 1):
            raise Bad(position, "position 1, and no other, opens the book")
        if position == 1 and data.get("entity") != self.entity:
            raise Bad(position, f"this is the book of {data.get('entity')}")
        if data.get("entry") is not None:
            _balance(data["entry"], position)
            self.entries += 1


def _digest(
    before: bytes, row: dict[str, Any], stream: uuid.UUID, name: bytes, state: bytes
) -> bytes:
    try:
        numbers = [
            struct.pack(">q", each)
            for each in (row["position"], row["version"], row["recorded_us"], len(name), len(state))
        ]
    except struct.error:
        return b""
    position, version, recorded, name_length, state_length = numbers
    head = b"\0" + before + position + stream.bytes + version + recorded
    return hashlib.sha256(head + name_length + name + state_length + state).digest()


def _balance(entry: object, position: int) -> None:
    """Check an entry: `[text, [[account, currency, minor units], ...]]`, zero per currency."""
    match entry:
        case [str(), [*legs]] if LEGS_MIN <= len(legs) <= LEGS_MAX:
            sums: dict[str, int] = {}
        case _:
            raise Bad(position, "the entry is none")
    for leg in legs:
        match leg:
            case [str(), str(currency), int(minor)] if minor and not isinstance(minor, bool):
                sums[currency] = sums.get(currency, 0) + minor
            case _:
                raise Bad(position, "a posting is none")
    off = {currency: minor for currency, minor in sums.items() if minor}
    if off:
        raise Bad(position, f"the entry does not balance: {off}")


def _object(text: str | bytes, position: int) -> dict[str, Any]:
    """Read a JSON object whose names are there once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name is there twice")
        return found

    try:
        value = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Bad(position, f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Bad(position, "no JSON object")
    return value


# --- the tree of RFC 9162


class Tree:
    """The roots of the full subtrees at the right edge: enough to go on and to say the root."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[tuple[int, bytes]] = []

    def add(self, digest: bytes) -> None:
        """Add a leaf; two subtrees of one height become one of the next."""
        height, node = 0, hashlib.sha256(b"\0" + digest).digest()
        while self.peaks and self.peaks[-1][0] == height:
            node = hashlib.sha256(b"\1" + self.peaks.pop()[1] + node).digest()
            height += 1
        self.peaks.append((height, node))
        self.size += 1

    def root(self) -> bytes:
        """Say the root."""
        node = self.peaks[-1][1]
        for _, peak in self.peaks[-2::-1]:
            node = hashlib.sha256(b"\1" + peak + node).digest()
        return node


# --- checkpoints


def checkpoints_in(folder: Path, origin: str, keys: list[str]) -> dict[int, bytes]:
    """Read the signed roots by size. Any of the keys may have signed: they are rotated."""
    known = {key_hash: public for public, key_hash in (_key(key, origin) for key in keys)}
    found = {}
    for path in sorted(folder.glob("*.checkpoint")):
        note = NOTE.fullmatch(path.read_bytes().decode("utf-8", "replace"))
        if note is None or note["origin"] != origin or note["name"] != origin:
            raise Bad(0, f"{path.name} is no checkpoint of {origin}")
        try:
            signature = base64.b64decode(note["signature"], validate=True)
            if signature[:4] not in known:
                raise InvalidSignature
            known[signature[:4]].verify(signature[4:], note["text"].encode())
            root = base64.b64decode(note["root"], validate=True)
        except (InvalidSignature, ValueError):
            raise Bad(0, f"{path.name} is not signed by this key") from None
        if path.stem.lstrip("0") != note["size"]:
            raise Bad(0, f"{path.name} is the checkpoint of {note['size']}")
        found[int(note["size"])] = root
    return found


def _key(text: str, origin: str) -> tuple[Ed25519PublicKey, bytes]:
    try:
        name, hash_hex, encoded = text.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        key_hash = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        if name != origin or raw[:1] != ED25519 or key_hash.hex() != hash_hex:
            raise ValueError("it is another log's, another kind's, or mistyped")
        return Ed25519PublicKey.from_public_bytes(raw[1:]), key_hash
    except ValueError as error:
        raise Unusable(f"the key cannot be used: {error}") from None


# --- all of it


def verify(dump: Path, origin: str, signed: dict[int, bytes]) -> str:
    """Verify a dump against its signed roots; say what was verified."""
    named = ORIGIN.fullmatch(origin)
    if named is None:
        raise Unusable("an origin is counterfoil/ENTITY/log or counterfoil/ENTITY/access")
    rows, tree, held = Rows(named["entity"], named["log"]), Tree(), 0
    with dump.open(encoding="utf-8") as lines:
        for line in lines:
            tree.add(rows.take(line))
            if tree.size in signed:
                if signed[tree.size] != tree.root():
                    words = f"rows {held + 1} to {tree.size} are not those of the checkpoint"
                    raise Bad(held + 1, f"{words} of {tree.size}")
                held = tree.size
    beyond = [size for size in signed if size > tree.size]
    if beyond:
        raise Bad(tree.size + 1, f"cut: a checkpoint covers {min(beyond)} rows")
    return (
        f"{rows.position} rows, {len(rows.versions)} streams, {rows.entries} entries,"
        f" {len(signed)} checkpoints up to {held}; digest {rows.before.hex()}"
    )


def main() -> int:
    """Read the command line, verify, and say what was found."""
    parser = argparse.ArgumentParser(description="Verify an exported log.")
    parser.add_argument("dump", type=Path, help="the file of `counterfoil export --format raw`")
    parser.add_argument("--origin", required=True, help="counterfoil/ENTITY/log")
    parser.add_argument("--checkpoints", type=Path, help="the folder of its *.checkpoint files")
    parser.add_argument(
        "--key",
        action="append",
        help="a public key as `counterfoil checkpoints` prints it; again for each earlier one",
    )
    asked = parser.parse_args()
    try:
        if (asked.checkpoints is None) != (asked.key is None):
            raise Unusable("checkpoints need a key, and a key needs checkpoints")
        if asked.checkpoints is not None and not asked.checkpoints.is_dir():
            raise Unusable(f"{asked.checkpoints} is no folder")
        signed = (
            {}
            if asked.checkpoints is None
            else checkpoints_in(asked.checkpoints, asked.origin, asked.key)
        )
        sys.stdout.write(f"holds: {verify(asked.dump, asked.origin, signed)}\n")
    except Bad as bad:
        sys.stdout.write(f"BAD {bad}\n")
        return 1
    except (Unusable, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"cannot verify: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
