"""Bearer tokens: who asks is decided here, and every doubt is a no.

EdDSA and RS256 only, by the key that the `kid` names among the issuer's. A token that brings its
own key or its address (`jku`, `jwk`, `x5u`, `x5c`), extensions (`crit`), or a claim twice is
refused; so is an ID token, which says who logged in and opens nothing (RFC 9068 §5, §6).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import params
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request

from adapters.strict_json import loads_strict
from api.door.context import call_of
from api.door.problems import ApiProblem
from api.door.words import Id
from api.house.settings import TOKEN_LIFETIME_S_MAX
from api.identity.caller import Caller
from api.identity.jwks import KID
from api.identity.scopes import ROLES, Role
from ledger.errors import InvalidInput
from ledger.ids import ClientId, EntityId

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwt import PyJWK

    from api.identity.jwks import Keys

TOKEN_CHARS_MAX: Final = 4096
CLAIMS_DEPTH_MAX: Final = 4
SCOPES_MAX: Final = 64

_HEADER_MEMBERS: Final = frozenset({"alg", "kid", "typ"})
_ACCESS_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
_TYPES: Final = _ACCESS_TYPES | {"JWT"}
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_SUBJECT: Final = rf"^(person:[a-z0-9][a-z0-9._-]{{0,127}}|(service:)?{_NAME})$"
"""A person has one spelling, or they would be two of the four eyes."""
_OF_ID_TOKENS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "auth_time"})
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]+")
_TOKEN_SEGMENTS: Final = 3
_SIGNATURES: Final = PyJWS()

Seconds = Annotated[int, Field(ge=0, le=2**40)]


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must say.

    Attributes:
        issuer: the one issuer that is believed.
        audience: our name; a token for several audiences must include it.
        entities: the legal entities whose books are served here.
        leeway_s: how far clocks may differ.
        lifetime_s_max: from issue to expiry; a token for ever is refused.
        typed: the issuer marks its access tokens (`typ: at+jwt`): others are refused.
        bound: every token must be bound to its bearer's certificate.
    """

    issuer: str
    audience: str
    entities: frozenset[EntityId]
    leeway_s: int = 30
    lifetime_s_max: int = TOKEN_LIFETIME_S_MAX
    typed: bool = False
    bound: bool = False


class Confirmation(BaseModel):
    """Who may bear the token (RFC 8705 §3.1). A way of proof that we cannot check is a no."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    thumbprint: Annotated[str, Field(alias="x5t#S256", pattern=r"^[A-Za-z0-9_-]{43}$")]


class Claims(BaseModel):
    """The claims that we read; others are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    iss: str
    aud: str | list[str]
    sub: Annotated[str, StringConstraints(pattern=_SUBJECT)]
    iat: Seconds
    exp: Seconds
    nbf: Seconds = 0
    jti: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$")] | None = None
    role: Role
    entity: str
    client: Id | None = None
    scope: Annotated[str, StringConstraints(max_length=2048)]
    client_id: Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")] | None = None
    azp: Annotated[str, StringConstraints(pattern=rf"^{_NAME}$")] | None = None
    cnf: Confirmation | None = None

    @property
    def subject(self) -> str:
        """Name who asks: `person:<name>`, `service:<name>`.

        An issuer that knows no such names gives a service's token its own id as subject and as
        client (RFC 9068 §2.2); nothing else without a prefix is believed, so that no token of a
        person passes for that of the program they sit at.

        Raises:
            Disbelief: no subject that we could name.
        """
        program = self.client_id or self.azp
        if self.azp is not None and self.azp != program:
            raise Disbelief("two programs that ask")
        if ":" in self.sub:
            return self.sub
        if self.sub != program:
            raise Disbelief("a subject that is neither person nor service")
        return f"service:{program}"


class Disbelief(Exception):
    """Why a token is not believed, in fixed words: for our records, never for the caller."""

    def __init__(self, reason: str, code: str = "token_invalid") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Verifier:
    """Turns a token into a `Caller`, or does not."""

    def __init__(
        self, keys: Keys, rules: TokenRules, *, now: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._now = now

    async def caller(self, token: str, certificate: str | None = None) -> Caller:
        """Believe a token.

        Args:
            token: as it came.
            certificate: the thumbprint of the certificate that its bearer proved to hold.

        Raises:
            Disbelief: anything about it is wrong.
            ApiProblem: our keys have been unreadable for too long (`keys_unavailable`).
        """
        segments = token.split(".")
        if len(token) > TOKEN_CHARS_MAX or len(segments) != _TOKEN_SEGMENTS:
            raise Disbelief("no token by its shape")
        key = await self._key_of(_members(segments[0]))
        try:
            payload = _SIGNATURES.decode(token, key.key, algorithms=[key.algorithm_name])
        except PyJWTError:
            raise Disbelief("the signature does not hold") from None
        claims = _claims(payload)
        self._check(claims)
        self._check_bearer(claims, certificate)
        return Caller(
            subject=claims.subject,
            role=claims.role,
            entity=EntityId(claims.entity),
            client=None if claims.client is None else ClientId(claims.client),
            scopes=frozenset(claims.scope.split(" ")[:SCOPES_MAX]) & ROLES[claims.role],
            token_id=claims.jti or hashlib.sha256(segments[2].encode("ascii")).hexdigest()[:32],
        )

    async def _key_of(self, header: dict[str, Any]) -> PyJWK:
        if not header.keys() <= _HEADER_MEMBERS:
            raise Disbelief("a header member that we do not honour")
        if header.get("typ", "JWT") not in (_ACCESS_TYPES if self._rules.typed else _TYPES):
            raise Disbelief("another type of token")
        kid = header.get("kid")
        if not isinstance(kid, str) or not KID.fullmatch(kid):
            raise Disbelief("no clean key name")
        if (key := await self._keys.key(kid)) is None:
            raise Disbelief("a key that we do not know")
        if header.get("alg") != key.algorithm_name:
            raise Disbelief("another algorithm than the key's")
        return key

    def _check(self, claims: Claims) -> None:
        rules, now = self._rules, self._now()
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if claims.iss != rules.issuer:
            raise Disbelief("another issuer")
        if rules.audience not in audiences:
            raise Disbelief("another audience")
        if claims.entity not in rules.entities:
            raise Disbelief("an entity that is not served here")
        if (claims.role is Role.CLIENT) != (claims.client is not None):
            raise Disbelief("a client's token names its client, others name none")
        if not 0 < claims.exp - claims.iat <= rules.lifetime_s_max:
            raise Disbelief("a lifetime that policy does not allow")
        if now + rules.leeway_s < max(claims.iat, claims.nbf):
            raise Disbelief("not valid yet")
        if now - rules.leeway_s >= claims.exp:
            raise Disbelief("expired", "token_expired")

    def _check_bearer(self, claims: Claims, certificate: str | None) -> None:
        if claims.cnf is None:
            if self._rules.bound:
                raise Disbelief("a token that is bound to nobody")
            return
        if certificate is None:
            raise Disbelief("a bound token without its certificate")
        if not hmac.compare_digest(claims.cnf.thumbprint, certificate):
            raise Disbelief("another bearer's token")


class Needs(params.Depends):
    """Gives a route its caller: `caller: Annotated[Caller, Needs("withdrawals:create")]`.

    The gate has asked before the route was found; this asks again by the route's own word, so a
    route mounted outside the gate stays shut.
    """

    def __init__(self, scope: str) -> None:
        super().__init__(Needed(scope))


@dataclass(frozen=True, slots=True)
class Needed:
    """The dependency behind `Needs`."""

    scope_name: str

    async def __call__(self, request: Request) -> Caller:
        """Return the caller whom the gate believed.

        Raises:
            ApiProblem: nobody, or without the scope.
        """
        caller = call_of(request.scope).caller
        if caller is None:
            raise ApiProblem("token_missing")
        if self.scope_name not in caller.scopes:
            raise ApiProblem("scope_missing")
        return caller


def _members(segment: str) -> dict[str, Any]:
    # Our own reading, before the library's: that one takes a member twice.
    if not _SEGMENT.fullmatch(segment):
        raise Disbelief("no token by its shape")
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        found = loads_strict(raw, bytes_max=TOKEN_CHARS_MAX, depth_max=CLAIMS_DEPTH_MAX)
    except (ValueError, InvalidInput):
        raise Disbelief("a header that is no strict JSON") from None
    if not isinstance(found, dict):
        raise Disbelief("a header that is no object")
    return found


def _claims(payload: bytes) -> Claims:
    try:
        said = loads_strict(payload, bytes_max=TOKEN_CHARS_MAX, depth_max=CLAIMS_DEPTH_MAX)
        if isinstance(said, dict) and _OF_ID_TOKENS & said.keys():
            raise Disbelief("an ID token")
        return Claims.model_validate_json(payload)
    except InvalidInput:
        raise Disbelief("claims that are no strict JSON") from None
    except ValidationError:
        raise Disbelief("a claim is missing or malformed") from None
