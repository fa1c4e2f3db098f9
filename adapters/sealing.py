"""Raw messages at rest: AES-256-GCM under a key per source, bound to their id.

A sealed body that is moved to another id or source does not open. The master key is a file that
only its owner reads, or comes in by the environment.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_FORM: Final = b"\x01"
"""First byte of everything sealed: how it was sealed."""


class SealBroken(Exception):
    """The sealed bytes were changed, moved, or sealed under another key."""


class AesSealer:
    """Seals bodies under keys derived from one master key."""

    def __init__(self, master: bytes) -> None:
        if len(master) != KEY_BYTES:
            raise ValueError(f"a master key has {KEY_BYTES} bytes")
        self._master = master
        self._keys: dict[str, AESGCM] = {}

    @staticmethod
    def key_file(path: Path) -> bytes:
        """Load the master key, or make it on the first start."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
        return path.read_bytes()

    def seal(self, body_id: UUID, source: str, raw: bytes) -> bytes:
        """Encrypt a message for this id and source only."""
        nonce = os.urandom(NONCE_BYTES)
        return _FORM + nonce + self._key(source).encrypt(nonce, raw, _bound(body_id, source))

    def open(self, body_id: UUID, source: str, sealed: bytes) -> bytes:
        """Decrypt a message.

        Raises:
            SealBroken: it was changed or moved, or sealed under another key.
        """
        nonce, text = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            if sealed[:1] != _FORM:
                raise InvalidTag
            return self._key(source).decrypt(nonce, text, _bound(body_id, source))
        except (InvalidTag, ValueError):
            raise SealBroken(f"the body {body_id} does not open") from None

    def _key(self, source: str) -> AESGCM:
        if source not in self._keys:
            derived = HKDF(SHA256(), KEY_BYTES, None, f"counterfoil/inbox/{source}".encode())
            self._keys[source] = AESGCM(derived.derive(self._master))
        return self._keys[source]


def _bound(body_id: UUID, source: str) -> bytes:
    return body_id.bytes + source.encode()
