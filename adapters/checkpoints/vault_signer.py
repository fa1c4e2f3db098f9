"""The ed25519 key of the checkpoints in a vault, which signs and never gives it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.checkpoints.signer import PublicKey

if TYPE_CHECKING:
    from adapters.secrets.port import Reference, Seals


class VaultSigner:
    """Signs with the newest version of a key. One for each log: it remembers what it answered."""

    def __init__(self, vault: Seals, key: Reference) -> None:
        self._vault, self._key = vault, key
        self._version = 0
        self._public = b""

    @property
    def public(self) -> bytes:
        """The newest version's public half; the next signature is of that version."""
        keys = self._vault.public_keys(self._key)
        self._version = max(keys)
        self._public = keys[self._version]
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Sign with the version that `public` last gave, whatever was rotated since."""
        return self._vault.sign(self._key, message, version=self._version).raw

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is of the version that `public` last gave."""
        return PublicKey(self._public or self.public).verifies(message, signature)
