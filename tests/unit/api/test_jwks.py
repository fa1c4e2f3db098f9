from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from api.door.problems import ApiProblem
from api.identity.devtokens import DevIssuer
from api.identity.jwks import KEYS_STALE_S_MAX, BadKeys, KeyFile, read_keys
from api.identity.scopes import Role
from tests.unit.api.small_house import ENTITY, NOW, House

if TYPE_CHECKING:
    from pathlib import Path


def ed25519_entry(kid: str) -> dict[str, Any]:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    return OKPAlgorithm.to_jwk(public, as_dict=True) | {"kid": kid}


def private_entry(kid: str) -> dict[str, Any]:
    private = ed25519.Ed25519PrivateKey.generate()
    return OKPAlgorithm.to_jwk(private, as_dict=True) | {"kid": kid}


def rsa_entry(bits: int) -> dict[str, Any]:
    public = rsa.generate_private_key(65537, bits).public_key()
    return RSAAlgorithm.to_jwk(public, as_dict=True) | {"kid": "r"}


def written(folder: Path, keys: Any) -> Path:
    path = folder / "jwks.json"
    path.write_text(keys if isinstance(keys, str) else json.dumps({"keys": keys}))
    return path


def test_reads_the_kinds_of_key_that_we_use_and_passes_over_others(tmp_path: Path) -> None:
    keys = read_keys(
        written(
            tmp_path,
            [
                ed25519_entry("a"),
                rsa_entry(2048),
                {"kty": "EC", "crv": "P-256", "kid": "e"},
                ed25519_entry("enc") | {"use": "enc"},
                ed25519_entry("es") | {"alg": "ES256"},
            ],
        )
    )

    assert {kid: key.algorithm_name for kid, key in keys.items()} == {"a": "EdDSA", "r": "RS256"}


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "[]",
        '{"keys":{}}',
        '{"keys":[],"keys":[]}',
        [],
        [1],
        [{"kty": "EC", "kid": "e"}],
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "o"}],
        [ed25519_entry("a"), ed25519_entry("a")],
        [ed25519_entry("../a")],
        [ed25519_entry("a") | {"kid": 1}],
        [ed25519_entry("a") | {"x": "AAAA"}],
        [private_entry("a"), ed25519_entry("b")],
        [rsa_entry(1024)],
    ],
)
def test_refuses_a_file_that_is_not_wholly_good(tmp_path: Path, keys: Any) -> None:
    with pytest.raises(BadKeys):
        read_keys(written(tmp_path, keys))


def test_a_rotated_key_serves_at_once_and_the_old_one_no_longer(
    new_house: House, tmp_path: Path
) -> None:
    old = new_house.token()
    other = DevIssuer.at_home(tmp_path / "other", now=lambda: float(NOW))
    new = other.mint(Role.OPERATIONS, ENTITY)

    def served(token: str) -> int:
        return new_house.ask("GET", "/v1/disputes", token=token).status

    assert (served(old), served(new)) == (200, 401)
    new_house.issuer.jwks.write_bytes(other.jwks.read_bytes())
    assert (served(old), served(new)) == (401, 200)


def test_the_last_good_keys_bridge_a_rotation_but_no_outage(tmp_path: Path) -> None:
    clock = [0.0]
    path = written(tmp_path, [ed25519_entry("a")])
    good = path.read_bytes()
    keys = KeyFile(path, monotonic=lambda: clock[0])

    path.write_bytes(b'{"keys":[')
    assert asyncio.run(keys.key("a"))
    clock[0] = KEYS_STALE_S_MAX + 1
    with pytest.raises(ApiProblem) as raised:
        asyncio.run(keys.key("a"))
    assert raised.value.code == "keys_unavailable"
    path.unlink()
    with pytest.raises(ApiProblem):
        asyncio.run(keys.key("a"))
    path.write_bytes(good)
    assert asyncio.run(keys.key("a"))


def test_does_not_start_without_keys(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="jwks"):
        KeyFile(tmp_path / "jwks.json")


def test_the_sandbox_keeps_its_key_to_itself(tmp_path: Path) -> None:
    first = DevIssuer.at_home(tmp_path / "home")
    again = DevIssuer.at_home(tmp_path / "home")

    assert first.kid == again.kid
    assert read_keys(first.jwks).keys() == {first.kid}
    (secret,) = (tmp_path / "home").glob("*.pem")
    assert secret.stat().st_mode & 0o077 == 0
    assert b'"d"' not in first.jwks.read_bytes()
