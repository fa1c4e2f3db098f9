"""Tokens that are right but for one thing, and what an attacker knows to make them from."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

from api.identity.devtokens import AUDIENCE, ISSUER
from api.identity.scopes import ROLES, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.identity.devtokens import DevIssuer
    from api.identity.scopes import Row

STRANGER = ed25519.Ed25519PrivateKey.generate()


@dataclass(frozen=True)
class Forger:
    """Writes tokens, with the issuer's own key or with what a stranger has."""

    issuer: DevIssuer
    entity: str

    def write(
        self,
        claims: dict[str, Any],
        header: dict[str, Any] | None = None,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        head = {"alg": "EdDSA", "kid": self.issuer.kid, "typ": "JWT"} | (header or {})
        parts = ".".join(map(_b64, (json.dumps(head).encode(), json.dumps(claims).encode())))
        return f"{parts}.{_b64((sign or self.issuer.private.sign)(parts.encode()))}"

    def claims(self, row: Row, **other: Any) -> dict[str, Any]:
        """Write the claims of somebody who may."""
        now = int(time.time())
        role = role_for(row)
        return {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "person:eve" if row.person else "service:eve",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            "role": role.value,
            "entity": self.entity,
            "scope": row.scope,
        } | other

    def unbelievable(self, row: Row) -> Iterator[tuple[str, str | None]]:
        """Give every credential that nobody may believe: its name, and the header's value."""
        now, good = int(time.time()), self.claims(row)
        yield "no token", None
        for name, value in (("garbage", "a.b.c"), ("no dots", "token"), ("empty", "")):
            yield name, f"Bearer {value}".rstrip()
        yield "another scheme", f"Basic {self.write(good)}"
        changes: dict[str, dict[str, Any]] = {
            "expired": {"iat": now - 900, "nbf": now - 900, "exp": now - 300},
            "not yet valid": {"nbf": now + 300},
            "wrong audience": {"aud": "elsewhere"},
            "wrong issuer": {"iss": "https://evil.example"},
            "for ever": {"exp": now + 10 * 365 * 86_400},
            "other legal entity": {"entity": "acme-uk"},
            "an ID token": {"nonce": "n"},
            "a role of nobody": {"role": "root"},
        }
        for name, change in changes.items():
            yield name, f"Bearer {self.write(good | change)}"
        own = OKPAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True)
        headers: dict[str, dict[str, Any]] = {
            "alg none": {"alg": "none"},
            "foreign jku": {"jku": "https://evil.example/jwks.json"},
            "foreign x5u": {"x5u": "https://evil.example/cert.pem"},
            "own jwk": {"jwk": own},
            "kid unknown": {"kid": "stranger"},
            "kid up the tree": {"kid": "../../../../dev/null"},
            "kid with SQL": {"kid": "x' OR '1'='1"},
        }
        for name, header in headers.items():
            sign = (lambda _: b"") if name == "alg none" else STRANGER.sign
            yield name, f"Bearer {self.write(good, header, sign)}"
            if name != "alg none":
                yield f"{name}, well signed", f"Bearer {self.write(good, header)}"
        yield "HS256 with the public key", f"Bearer {self._confused(good)}"
        yield "a stranger's signature", f"Bearer {self.write(good, sign=STRANGER.sign)}"

    def powerless(self, row: Row) -> Iterator[tuple[str, str]]:
        """Give every token that is believed and must not open this door."""
        role = role_for(row)
        others = " ".join(sorted(ROLES[role] - {row.scope}))
        yield "missing scope", f"Bearer {self.write(self.claims(row, scope=others))}"
        for other in Role:
            if row.scope not in ROLES[other] and other is not Role.CLIENT:
                token = self.write(self.claims(row, role=other.value))
                yield f"the scope, as {other}", f"Bearer {token}"
        if row.person:
            token = self.write(self.claims(row, sub="service:eve"))
            yield "a service where a person is needed", f"Bearer {token}"

    def _confused(self, claims: dict[str, Any]) -> str:
        public = self.issuer.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return self.write(
            claims,
            {"alg": "HS256"},
            lambda message: hmac.new(public, message, hashlib.sha256).digest(),
        )


def role_for(row: Row) -> Role:
    """Name a role that may open a door, staff where there is any."""
    holders = [role for role in Role if row.scope in ROLES[role]]
    return next((role for role in holders if role is not Role.CLIENT), Role.CLIENT)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
