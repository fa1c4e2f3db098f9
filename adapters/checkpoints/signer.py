"""The ed25519 key of the checkpoints: a file that only its owner reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

if TYPE_CHECKING:
    from pathlib import Path


class PublicKey:
    """Verifies what the private half signed."""

    def __init__(self, public: bytes) -> None:
        self.public = public
        self._key = Ed25519PublicKey.from_public_bytes(public)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature over the message is of this key."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class LocalSigner(PublicKey):
    """Signs with a key that this process holds."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        super().__init__(private.public_key().public_bytes_raw())
        self._private = private

    @classmethod
    def of_file(cls, path: Path) -> LocalSigner:
        """Load the key, or make it on the first start, readable by its owner only."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(Ed25519PrivateKey.generate().private_bytes_raw())
                file.flush()
                os.fsync(file.fileno())
        return cls(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))

    def sign(self, message: bytes) -> bytes:
        """Return the signature over the message."""
        return self._private.sign(message)
