"""Tokens for the sandbox and the tests: a key pair of our own, never one of production.

The private key stays in a file that only its owner reads, beside the JWKS file that the API is
pointed at. An issuer outside (a vault, an identity provider) takes its place in production.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import encode
from jwt.algorithms import OKPAlgorithm

from api.identity.scopes import ROLES, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ledger.ids import ClientId, EntityId

ISSUER: Final = "urn:counterfoil:sandbox"
AUDIENCE: Final = "counterfoil"
LIFETIME_S: Final = 3600

_KEY_FILE: Final = "sandbox-signing-key.pem"
_JWKS_FILE: Final = "sandbox-jwks.json"


@dataclass(frozen=True)
class DevIssuer:
    """Mints tokens that the API of the same sandbox believes."""

    private: Ed25519PrivateKey
    kid: str
    jwks: Path
    now: Callable[[], float] = time.time

    @classmethod
    def at_home(cls, home: Path, *, now: Callable[[], float] = time.time) -> DevIssuer:
        """Load the sandbox's key pair, or make it; the JWKS file is written either way."""
        home.mkdir(parents=True, exist_ok=True)
        private = _load_or_make(home / _KEY_FILE)
        public = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        kid = "sandbox-" + hashlib.sha256(public["x"].encode("ascii")).hexdigest()[:16]
        jwks = home / _JWKS_FILE
        entry = {**public, "kid": kid, "use": "sig", "alg": "EdDSA"}
        _write(jwks, json.dumps({"keys": [entry]}).encode("ascii"), mode=0o644)
        return cls(private, kid, jwks, now)

    def mint(
        self,
        role: Role,
        entity: EntityId,
        *,
        subject: str = "",
        client: ClientId | None = None,
        scopes: Iterable[str] | None = None,
    ) -> str:
        """Mint a token.

        Args:
            role: what it speaks for.
            entity: whose book.
            subject: `person:<name>` or `service:<name>`; by default a service named by its role.
            client: the one client that it reaches, for `Role.CLIENT`.
            scopes: fewer than the role has; all of them by default.
        """
        issued = int(self.now())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject or f"service:{role.value.replace('_', '-')}",
            "iat": issued,
            "nbf": issued,
            "exp": issued + LIFETIME_S,
            "jti": uuid4().hex,
            "role": role.value,
            "entity": entity,
            "scope": " ".join(sorted(ROLES[role] if scopes is None else scopes)),
        }
        if client is not None:
            claims["client"] = str(client)
        return encode(claims, self.private, "EdDSA", {"kid": self.kid})


def _load_or_make(path: Path) -> Ed25519PrivateKey:
    if path.exists():
        found = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(found, Ed25519PrivateKey), f"{path.name} is no Ed25519 key"
        return found
    made = Ed25519PrivateKey.generate()
    pem = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(path, pem, mode=0o600)
    return made


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Put a file in its place whole, or not at all."""
    draft = path.with_name(f"{path.name}.{uuid4().hex}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    draft.replace(path)
