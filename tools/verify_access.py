#!/usr/bin/env python3
"""Verifies exported access records: Python 3.11 and `cryptography`, nothing of Counterfoil's.

    counterfoil access export --client ID --out FILE
    python verify_access.py FILE.jsonl --key "counterfoil/acme-cy/access+HASH+KEY"

Each record's digest is computed from what the record says, and led by its proof to the root that
the checkpoint signs (docs/access-log.md). Get the key from elsewhere than from the file: who made
the one could have made the other. Exit codes: 0 all of it holds; 1 it does not, and the first bad
record is named; 2 it could not be verified at all.
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

NOTE = re.compile(
    r"(?P<text>(?P<origin>[^\n]+)\n(?P<size>[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/=]+)\n)"
    r"\n\u2014 (?P<name>[^ \n]+) (?P<signature>[A-Za-z0-9+/=]+)\n"
)
ED25519 = b"\x01"


class Bad(Exception):
    """Something does not hold."""


class Unusable(Exception):
    """What was given cannot be verified at all."""


def signed_root(note: str, key: str) -> tuple[int, bytes]:
    """Read what the checkpoint signs: how many records there were, and their root."""
    found = NOTE.fullmatch(note)
    if found is None or found["origin"] != found["name"]:
        raise Bad("the checkpoint has not the form of one")
    public, key_hash = _key(key, found["origin"])
    try:
        signature = base64.b64decode(found["signature"], validate=True)
        if signature[:4] != key_hash:
            raise InvalidSignature
        public.verify(signature[4:], found["text"].encode())
        return int(found["size"]), base64.b64decode(found["root"], validate=True)
    except (InvalidSignature, ValueError):
        raise Bad("the checkpoint is not signed by this key") from None


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


def digest_of(row: dict[str, Any]) -> bytes:
    """Compute the digest of a record from the digest before it and all that the record says."""
    name = row["name"].encode()
    state = base64.b64decode(row["state"], validate=True)
    position, version, recorded, name_length, state_length = (
        struct.pack(">q", each)
        for each in (row["position"], row["version"], row["recorded_us"], len(name), len(state))
    )
    stream, before = uuid.UUID(row["stream"]).bytes, bytes.fromhex(row["before"])
    head = b"\0" + before + position + stream + version + recorded
    return hashlib.sha256(head + name_length + name + state_length + state).digest()


def leads_to(digest: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Follow a proof from a leaf to the root, as RFC 9162 has it in 2.1.3.2."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, hashlib.sha256(b"\0" + digest).digest()
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def verify(path: Path, key: str) -> str:
    """Verify every record of an export; say what was verified."""
    head_line, *lines = path.read_text("utf-8").splitlines()
    head = json.loads(head_line)
    if not head["checkpoint"]:
        raise Unusable("no checkpoint had been made when this was exported")
    size, root = signed_root(head["checkpoint"], key)
    if len(lines) != head["records"]:
        raise Bad(f"{head['records']} records were exported, {len(lines)} are here")
    after, proven = 0, 0
    for line in lines:
        row = json.loads(line)
        position = row["position"]
        try:
            digest = digest_of(row)
            proof = None if row["proof"] is None else [bytes.fromhex(node) for node in row["proof"]]
        except (KeyError, TypeError, ValueError, struct.error):
            raise Bad(f"position {position}: the line is no record") from None
        if position <= after:
            raise Bad(f"position {position}: it comes after {after}")
        if digest.hex() != row["digest"]:
            raise Bad(f"position {position}: the digest does not cover what the record says")
        if (proof is None) != (position > size):
            raise Bad(f"position {position}: its proof is missing, or proves nothing")
        if proof is not None and not leads_to(digest, position - 1, size, proof, root):
            raise Bad(f"position {position}: it does not stand in the log that was checkpointed")
        after, proven = position, proven + (proof is not None)
    later = len(lines) - proven
    return f"{proven} records stand in the log of {size}; {later} came later, proven by nothing yet"


def main() -> int:
    """Read the command line, verify, and say what was found."""
    parser = argparse.ArgumentParser(description="Verify exported access records.")
    parser.add_argument("export", type=Path, help="the .jsonl of `counterfoil access export`")
    parser.add_argument("--key", required=True, help="as `counterfoil checkpoints` prints it")
    asked = parser.parse_args()
    try:
        sys.stdout.write(f"holds: {verify(asked.export, asked.key)}\n")
    except Bad as bad:
        sys.stdout.write(f"BAD {bad}\n")
        return 1
    except (Unusable, OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"cannot verify: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
