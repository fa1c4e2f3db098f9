"""The public keys that tokens are checked with: what a JWKS may hold, and one in a file.

A file is read again when it changes; keys at an address are in `api/identity/issuer.py`.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from adapters.strict_json import loads_strict
from api.door.problems import ApiProblem
from ledger.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

JWKS_BYTES_MAX: Final = 64 * 1024
KEYS_STALE_S_MAX: Final = 300
"""How long the last good keys serve while no new ones can be read: a rotation, not an outage."""
RSA_BITS_MIN: Final = 2048

KID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class BadKeys(Exception):
    """The file is no JWKS that we use."""


class Keys(Protocol):
    """Where the keys of the token issuer are found, by `kid`."""

    async def key(self, kid: str) -> PyJWK | None:
        """Return the key of this name, if the issuer publishes it.

        Raises:
            ApiProblem: nobody can say for too long now (`keys_unavailable`).
        """
        ...


class KeyFile:
    """The keys of one JWKS file, by `kid`. The key fixes the algorithm, never the token.

    A file that goes bad while we run leaves the last good keys in use for `KEYS_STALE_S_MAX`; then
    nobody gets in. A key that a good file no longer names is gone at once.
    """

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._seen = self._stamp()
        self._keys = read_keys(path)
        self._good_at = monotonic()

    async def key(self, kid: str) -> PyJWK | None:
        """Return the key of this name, if the file has it.

        Raises:
            ApiProblem: the file has been unreadable for too long (`keys_unavailable`).
        """
        self._refresh()
        return self._keys.get(kid)

    def _refresh(self) -> None:
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._keys = read_keys(self._path)
                self._seen = stamp
        except (BadKeys, OSError):
            if self._monotonic() - self._good_at > KEYS_STALE_S_MAX:
                raise ApiProblem("keys_unavailable") from None
            return
        self._good_at = self._monotonic()

    def _stamp(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_keys(path: Path) -> Mapping[str, PyJWK]:
    """Read a JWKS file.

    Raises:
        BadKeys: as `parsed_keys`.
        OSError: not there.
    """
    return parsed_keys(path.read_bytes())


def parsed_keys(raw: bytes) -> Mapping[str, PyJWK]:
    """Read a JWKS: Ed25519 keys for EdDSA, RSA keys of 2048 bits or more for RS256.

    Raises:
        BadKeys: malformed, without a usable key, a `kid` twice, or with a private key in it.
    """
    try:
        found = loads_strict(raw, bytes_max=JWKS_BYTES_MAX)
    except InvalidInput as refusal:
        raise BadKeys(refusal.public_code) from None
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise BadKeys("no list of keys")
    keys: dict[str, PyJWK] = {}
    for entry in entries:
        if (algorithm := _algorithm(entry)) is None:
            continue
        kid = entry.get("kid")
        if not isinstance(kid, str) or not KID.fullmatch(kid) or kid in keys:
            raise BadKeys("a key without a name of its own")
        keys[kid] = _key(entry, algorithm)
    if not keys:
        raise BadKeys("no key that we use")
    return keys


def _algorithm(entry: Any) -> str | None:
    """Tell which algorithm a key is for; None for a key of a kind that we do not use."""
    if not isinstance(entry, dict):
        raise BadKeys("a key that is no object")
    if _PRIVATE & entry.keys():
        raise BadKeys("a private key has no place in a JWKS file")
    match entry:
        case {"kty": "OKP", "crv": "Ed25519"}:
            algorithm = "EdDSA"
        case {"kty": "RSA"}:
            algorithm = "RS256"
        case _:
            return None
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    return algorithm


def _key(entry: dict[str, Any], algorithm: str) -> PyJWK:
    try:
        key = PyJWK(entry, algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError):
        raise BadKeys("a key that cannot be read") from None
    if algorithm == "RS256" and key.key.key_size < RSA_BITS_MIN:
        raise BadKeys("an RSA key that is too short")
    return key
