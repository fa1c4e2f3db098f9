from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from api.identity.devtokens import AUDIENCE, ISSUER
from tests.unit.api.small_house import ALICE, NOW, House

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.api.small_house import Answer

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "service:bot",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 600,
    "jti": "t-1",
    "role": "operations",
    "entity": "acme-cy",
    "scope": "disputes:read",
}
GONE = object()
STRANGER = ed25519.Ed25519PrivateKey.generate()


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def merged(base: dict[str, Any], changes: dict[str, Any]) -> bytes:
    found = {k: v for k, v in (base | changes).items() if v is not GONE}
    return json.dumps(found).encode()


def craft(
    house: House,
    header: dict[str, Any] | bytes | None = None,
    claims: dict[str, Any] | bytes | None = None,
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """Make a token that is right but for what the test twists."""
    base = {"alg": "EdDSA", "kid": house.issuer.kid, "typ": "JWT"}
    head = header if isinstance(header, bytes) else merged(base, header or {})
    body = claims if isinstance(claims, bytes) else merged(CLAIMS, claims or {})
    signing = f"{b64(head)}.{b64(body)}"
    return f"{signing}.{b64((sign or house.issuer.private.sign)(signing.encode()))}"


def show(house: House, token: str) -> Answer:
    return house.ask("GET", "/v1/disputes", token=token)


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda message: hmac.new(secret, message, hashlib.sha256).digest()


def public_bytes(house: House, kind: str) -> bytes:
    public = house.issuer.private.public_key()
    if kind == "raw":
        return public.public_bytes_raw()
    if kind == "jwk":
        return house.issuer.jwks.read_bytes()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_a_token_that_is_right_is_believed(house: House) -> None:
    assert show(house, craft(house)).status == 200
    assert show(house, craft(house, {"typ": GONE})).status == 200
    assert show(house, craft(house, {"typ": "at+jwt"})).status == 200
    assert show(house, craft(house, claims={"aud": ["other", AUDIENCE]})).status == 200
    assert show(house, craft(house, claims={"jti": GONE, "nbf": GONE})).status == 200


HEADERS: dict[str, dict[str, Any]] = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "None"},
    "alg HS256": {"alg": "HS256"},
    "alg RS256 for an Ed25519 key": {"alg": "RS256"},
    "alg ES256": {"alg": "ES256"},
    "alg missing": {"alg": GONE},
    "alg null": {"alg": None},
    "alg list": {"alg": ["EdDSA"]},
    "kid missing": {"kid": GONE},
    "kid unknown": {"kid": "stranger"},
    "kid traversal": {"kid": "../../../dev/null"},
    "kid absolute": {"kid": "/etc/passwd"},
    "kid injection": {"kid": "x' UNION SELECT 'key"},
    "kid NUL": {"kid": "sandbox\x00"},
    "kid list": {"kid": ["sandbox"]},
    "kid number": {"kid": 1},
    "kid empty": {"kid": ""},
    "foreign jku": {"jku": "https://evil.example/jwks.json"},
    "foreign x5u": {"x5u": "https://evil.example/cert.pem"},
    "x5c": {"x5c": ["MIIB"]},
    "crit": {"crit": ["exp"]},
    "detached": {"b64": False, "crit": ["b64"]},
    "zip": {"zip": "DEF"},
    "nested token": {"cty": "JWT"},
    "another type": {"typ": "logout+jwt"},
}


@pytest.mark.parametrize("name", HEADERS)
def test_refuses_a_twisted_header(house: House, name: str) -> None:
    answer = show(house, craft(house, HEADERS[name]))

    assert (answer.status, answer.code) == (401, "token_invalid")


@pytest.mark.parametrize("kind", ["pem", "raw", "jwk"])
def test_refuses_hs256_with_our_public_key_as_the_secret(house: House, kind: str) -> None:
    forged = craft(house, {"alg": "HS256"}, sign=hs256(public_bytes(house, kind)))

    assert show(house, forged).code == "token_invalid"


def test_refuses_a_signature_that_is_none_anothers_or_bent(house: House) -> None:
    good = craft(house)
    head, _, signature = good.split(".")
    other = b64(merged(CLAIMS, {"scope": "disputes:read withdrawals:approve"}))

    for forged in (
        craft(house, {"alg": "none"}, sign=lambda _: b""),
        craft(house, sign=lambda _: b""),
        craft(house, sign=STRANGER.sign),
        f"{head}.{other}.{signature}",
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good + "=",
        good + "\n",
    ):
        assert show(house, forged).status == 401, forged


def test_refuses_a_token_that_brings_its_own_key(house: House) -> None:
    own = OKPAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True)

    assert show(house, craft(house, {"jwk": own}, sign=STRANGER.sign)).code == "token_invalid"
    assert show(house, craft(house, {"jwk": own})).code == "token_invalid"


CLAIM_TWISTS: dict[str, dict[str, Any]] = {
    **{f"without {name}": {name: GONE} for name in CLAIMS if name not in {"jti", "nbf"}},
    "an ID token": {"scope": GONE, "role": GONE, "nonce": "n", "email": "a@example.com"},
    "wrong issuer": {"iss": "https://evil.example"},
    "issuer with a tail": {"iss": f"{ISSUER}/"},
    "issuer list": {"iss": [ISSUER]},
    "wrong audience": {"aud": "another"},
    "audience list without us": {"aud": ["another"]},
    "no audience": {"aud": []},
    "audience object": {"aud": {AUDIENCE: 1}},
    "not yet valid": {"nbf": NOW + 3000},
    "issued tomorrow": {"iat": NOW + 86_400, "exp": NOW + 86_460},
    "for ever": {"exp": NOW + 86_400 * 365},
    "ends before it begins": {"exp": NOW - 5, "iat": NOW},
    "expiry as text": {"exp": str(NOW + 600)},
    "expiry as a fraction": {"exp": NOW + 600.5},
    "expiry true": {"exp": True},
    "expiry null": {"exp": None},
    "expiry beyond reason": {"exp": 10**18},
    "negative issue": {"iat": -1},
    "unknown role": {"role": "root"},
    "role list": {"role": ["operations"]},
    "a client without its client": {"role": "client"},
    "an operator with a client": {"client": str(ALICE)},
    "a client by another spelling": {"role": "client", "client": str(ALICE).upper()},
    "an entity not served": {"entity": "acme-au"},
    "a subject of no kind": {"sub": "bot"},
    "a subject with a tail": {"sub": "service:bot\nadmin"},
    "an empty subject": {"sub": "service:"},
    "scope list": {"scope": ["disputes:read"]},
    "jti with a tail": {"jti": "a\nb"},
}


@pytest.mark.parametrize("name", CLAIM_TWISTS)
def test_refuses_a_twisted_claim(house: House, name: str) -> None:
    answer = show(house, craft(house, claims=CLAIM_TWISTS[name]))

    assert (answer.status, answer.code) == (401, "token_invalid")


@pytest.mark.parametrize(
    "claims",
    [
        merged(CLAIMS, {})[:-1] + b',"scope":"withdrawals:approve"}',
        merged(CLAIMS, {}).replace(b'"exp": ', b'"exp":1e999,"old": '),
        merged(CLAIMS, {}).replace(b'"exp": ', b'"exp":NaN,"old": '),
        b"[]",
        b"null",
        b"",
        b"\xff\xfe",
        b"[" * 3000,
        b'{"exp":' + b"9" * 2000 + b"}",
    ],
)
def test_refuses_claims_that_are_no_strict_json(house: House, claims: bytes) -> None:
    assert show(house, craft(house, claims=claims)).code == "token_invalid"


def test_refuses_a_header_with_a_member_twice(house: House) -> None:
    head = f'{{"alg":"none","alg":"EdDSA","kid":"{house.issuer.kid}"}}'.encode()

    assert show(house, craft(house, head)).code == "token_invalid"
    assert show(house, craft(house, head.replace(b'"alg":"none",', b""))).status == 200


@pytest.mark.parametrize(
    "token", ["a", "a.b", "a.b.c", "..", "a.b.c.d", "é.é.é", "=.=.=", "A" * 9000, "A." * 4000]
)
def test_refuses_what_is_no_token(house: House, token: str) -> None:
    assert show(house, token).code == "token_invalid"


@pytest.mark.parametrize(
    "credential",
    [b"", b"Bearer", b"Bearer ", b"Basic dTpw", b"bearer  a.b.c", b"Bearer a b", b"\xff"],
)
def test_refuses_what_is_no_bearer_credential(house: House, credential: bytes) -> None:
    answer = house.ask("GET", "/v1/disputes", token=None, headers=[(b"authorization", credential)])

    assert (answer.status, answer.code) == (401, "token_invalid")


def test_a_token_lives_from_its_issue_to_its_expiry(house: House) -> None:
    token = craft(house)
    seen = []
    for second in (NOW - 31, NOW - 30, NOW, NOW + 629, NOW + 630):
        house.clock[0] = second
        seen.append(show(house, token).json.get("code", "served"))

    assert seen == ["token_invalid", "served", "served", "served", "token_expired"]


def test_a_token_in_the_query_or_a_cookie_is_no_credential(house: House) -> None:
    token = house.token().encode()

    for given in (
        {"query": b"access_token=" + token[:1500]},
        {"headers": [(b"cookie", b"authorization=" + token)]},
    ):
        assert house.ask("GET", "/v1/disputes", token=None, **given).code == "token_missing"


def rs256(key: rsa.RSAPrivateKey) -> Callable[[bytes], bytes]:
    return lambda message: RSAAlgorithm(RSAAlgorithm.SHA256).sign(message, key)


def test_rs256_serves_where_the_key_is_rsa(new_house: House) -> None:
    key = rsa.generate_private_key(65537, 2048)
    entry = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "vault-1"}
    new_house.issuer.jwks.write_text(json.dumps({"keys": [entry]}))
    header = {"alg": "RS256", "kid": "vault-1"}

    assert show(new_house, craft(new_house, header, sign=rs256(key))).status == 200
    assert (
        show(new_house, craft(new_house, header | {"alg": "PS256"}, sign=rs256(key))).status == 401
    )
    assert show(new_house, craft(new_house, header | {"alg": "EdDSA"})).status == 401
