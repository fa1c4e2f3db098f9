"""Secrets in a dictionary, with everything that a vault does: for tests, and for nothing else."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.secrets.port import (
    DataKey,
    Reference,
    Secret,
    SecretConflict,
    SecretMissing,
    SecretsError,
    Signature,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Kept(NamedTuple):
    value: Secret
    version: int
    at: datetime


@dataclass
class Memory:
    """A vault in memory.

    Attributes:
        trouble: what every call raises while it is set.
    """

    trouble: SecretsError | None = None
    _kept: dict[str, _Kept] = field(default_factory=dict, repr=False)
    _keys: dict[str, list[Ed25519PrivateKey]] = field(default_factory=dict, repr=False)
    _wrapping: Fernet = field(default_factory=lambda: Fernet(Fernet.generate_key()), repr=False)

    def read(self, reference: Reference) -> Secret:
        """Read a secret."""
        kept = self._find(reference)
        return Secret(kept.value.reveal(), version=kept.version)

    def born(self, reference: Reference) -> datetime | None:
        """Say when it was written."""
        return self._find(reference).at

    def write(self, reference: Reference, value: Secret, *, expected: int) -> int:
        """Write over the expected version; 0: over nothing."""
        self._ask()
        before = self._kept.get(str(reference))
        version = before.version if before else 0
        if version != expected:
            raise SecretConflict(f"{reference} has version {version}, not {expected}")
        self._kept[str(reference)] = _Kept(value, version + 1, datetime.now(UTC))
        return version + 1

    def renew(self, reference: Reference) -> int | None:
        """Make a new signing key, or a new random password."""
        self._ask()
        if str(reference) in self._keys:
            self._keys[str(reference)].append(Ed25519PrivateKey.generate())
            return len(self._keys[str(reference)])
        return self.write(
            reference, Secret(os.urandom(16).hex()), expected=self._find(reference).version
        )

    def add_key(self, key: Reference) -> None:
        """Make a key for signing."""
        self._keys[str(key)] = [Ed25519PrivateKey.generate()]

    def sign(self, key: Reference, message: bytes, *, version: int = 0) -> Signature:
        """Sign with a version of the key, or the newest."""
        keys = self._signing(key)
        chosen = version or len(keys)
        return Signature(chosen, keys[chosen - 1].sign(message))

    def public_keys(self, key: Reference) -> Mapping[int, bytes]:
        """Return every version's public half."""
        return {n: k.public_key().public_bytes_raw() for n, k in enumerate(self._signing(key), 1)}

    def data_key(self, key: Reference) -> DataKey:  # noqa: ARG002 - one key wraps them all here
        """Make a key and wrap it."""
        self._ask()
        plain = base64.b64encode(os.urandom(32))
        return DataKey(Secret(plain.decode()), self._wrapping.encrypt(plain).decode())

    def unwrap(self, key: Reference, wrapped: str) -> Secret:
        """Unwrap a key."""
        self._ask()
        try:
            return Secret(self._wrapping.decrypt(wrapped.encode()).decode())
        except InvalidToken:
            raise SecretMissing(f"{key} did not wrap this") from None

    def close(self) -> None:
        """Forget nothing: it is all there is."""

    def _ask(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def _find(self, reference: Reference) -> _Kept:
        self._ask()
        try:
            return self._kept[str(reference)]
        except KeyError:
            raise SecretMissing(f"{reference} is not there") from None

    def _signing(self, key: Reference) -> list[Ed25519PrivateKey]:
        self._ask()
        try:
            return self._keys[str(key)]
        except KeyError:
            raise SecretMissing(f"{key} is not there") from None
