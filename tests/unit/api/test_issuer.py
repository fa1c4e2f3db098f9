from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from adapters.transport import is_safe_address
from api.door.problems import ApiProblem
from api.house.settings import Settings
from api.identity import issuer as issuer_module
from api.identity.issuer import ASK_AGAIN_S_MIN, KEYS_AGE_S_MAX, KeyUrl
from api.identity.jwks import JWKS_BYTES_MAX, KEYS_STALE_S_MAX
from tests.unit.api.loopback_issuer import LoopbackIssuer, serving_keys

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def issuer() -> Iterator[LoopbackIssuer]:
    with serving_keys() as issuer:
        issuer.add("a")
        yield issuer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: LoopbackIssuer, clock: Clock) -> KeyUrl:
    return KeyUrl(issuer.url, monotonic=clock)


def has(keys: KeyUrl, kid: str) -> bool:
    return asyncio.run(keys.key(kid)) is not None


def unavailable(keys: KeyUrl, kid: str) -> bool:
    with pytest.raises(ApiProblem) as raised:
        asyncio.run(keys.key(kid))
    return raised.value.code == "keys_unavailable"


def test_keys_are_fetched_once_and_kept(keys: KeyUrl, issuer: LoopbackIssuer) -> None:
    assert [has(keys, "a") for _ in range(50)] == [True] * 50
    assert issuer.asked == 1


def test_a_new_key_is_known_when_a_token_first_names_it(
    keys: KeyUrl, issuer: LoopbackIssuer, clock: Clock
) -> None:
    assert has(keys, "a")
    issuer.add("b")
    clock.now += ASK_AGAIN_S_MIN

    assert (has(keys, "b"), has(keys, "a")) == (True, True)
    assert issuer.asked == 2


def test_invented_key_names_do_not_hammer_the_issuer(
    keys: KeyUrl, issuer: LoopbackIssuer, clock: Clock
) -> None:
    assert has(keys, "a")
    clock.now += ASK_AGAIN_S_MIN
    assert not any(has(keys, f"invented-{n}") for n in range(200))
    assert issuer.asked == 2

    clock.now += ASK_AGAIN_S_MIN
    assert not any(has(keys, f"invented-{n}") for n in range(200))
    assert issuer.asked == 3


def test_a_withdrawn_key_is_gone_with_the_next_fetch(
    keys: KeyUrl, issuer: LoopbackIssuer, clock: Clock
) -> None:
    issuer.add("b")
    assert has(keys, "a")
    del issuer.published["a"]
    assert has(keys, "a")

    clock.now += KEYS_AGE_S_MAX + 1
    assert (has(keys, "a"), has(keys, "b")) == (False, True)


def test_callers_who_come_together_share_one_fetch(keys: KeyUrl, issuer: LoopbackIssuer) -> None:
    issuer.release.clear()

    async def crowd() -> list[Any]:
        waiting = [asyncio.create_task(keys.key("a")) for _ in range(30)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        assert not any(task.done() for task in waiting[1:])
        issuer.release.set()
        return await asyncio.gather(*waiting[1:])

    assert None not in asyncio.run(crowd())
    assert issuer.asked == 1


def test_the_last_good_keys_serve_through_an_outage_and_then_nobody_gets_in(
    keys: KeyUrl, issuer: LoopbackIssuer, clock: Clock
) -> None:
    assert has(keys, "a")
    issuer.status = 500
    clock.now += KEYS_STALE_S_MAX
    assert has(keys, "a")
    assert not has(keys, "z")

    clock.now += ASK_AGAIN_S_MIN
    assert unavailable(keys, "a")
    assert unavailable(keys, "z")


def test_the_doors_open_again_when_the_issuer_is_back(
    keys: KeyUrl, issuer: LoopbackIssuer, clock: Clock
) -> None:
    issuer.status = 503
    assert unavailable(keys, "a")
    issuer.status = 200
    assert unavailable(keys, "a")
    clock.now += ASK_AGAIN_S_MIN

    assert has(keys, "a")


def test_a_known_key_does_not_wait_for_an_issuer_that_is_away(
    keys: KeyUrl, issuer: LoopbackIssuer, clock: Clock
) -> None:
    assert has(keys, "a")
    issuer.status = 500
    clock.now += KEYS_AGE_S_MAX + 1
    assert has(keys, "a")
    issuer.release.clear()
    clock.now += ASK_AGAIN_S_MIN

    # The issuer hangs now, and is asked; who waited for it would wait for ever.
    assert has(keys, "a")


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"Location": "http://127.0.0.1:1/keys"}, b""),
        (404, {}, None),
        (200, {}, b"<html>"),
        (200, {}, b'{"keys":[]}'),
        (200, {}, b'{"keys":[],"keys":[]}'),
        (200, {}, b" " * (JWKS_BYTES_MAX + 1)),
        (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b\x08"),
    ],
)
def test_an_answer_that_is_not_wholly_good_gives_no_keys(
    keys: KeyUrl, issuer: LoopbackIssuer, status: int, headers: dict[str, str], body: bytes | None
) -> None:
    issuer.status, issuer.headers, issuer.body = status, headers, body

    assert unavailable(keys, "a")


def test_a_redirect_is_not_followed_even_to_good_keys(issuer: LoopbackIssuer) -> None:
    with serving_keys() as other:
        other.status, other.headers = 302, {"Location": issuer.url}
        assert unavailable(KeyUrl(other.url), "a")

    assert issuer.asked == 0
    assert has(KeyUrl(issuer.url), "a")


def test_an_issuer_that_never_answers_is_given_up(
    keys: KeyUrl, issuer: LoopbackIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_module, "FETCH_S_MAX", 0.1)
    issuer.release.clear()

    assert unavailable(keys, "a")


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://issuer.example/keys", True),
        ("https://issuer.example:8443/v1/keys", True),
        ("https://issuer.example/keys?x=1", False),
        ("http://127.0.0.1:8200/keys", True),
        ("http://[::1]:8200/keys", True),
        ("http://issuer.example/keys", False),
        ("http://127.0.0.1.example/keys", False),
        ("http://127.0.0.1@issuer.example/keys", False),
        ("https://me:secret@issuer.example/keys", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1/keys", False),
        ("https://issuer.example/\nkeys", False),
    ],
)
def test_keys_come_over_tls_or_from_this_machine(address: str, *, safe: bool) -> None:
    assert is_safe_address(address) is safe


def test_settings_take_a_file_or_a_safe_address_and_nothing_else() -> None:
    assert Settings(jwks="keys/jwks.json").jwks == Path("keys/jwks.json")
    assert Settings(jwks="https://issuer.example/keys").jwks == "https://issuer.example/keys"
    for unsafe in ("http://issuer.example/keys", "https://me:secret@issuer.example/keys"):
        with pytest.raises(ValidationError):
            Settings(jwks=unsafe)


def test_a_proxy_is_believed_on_loopback_only() -> None:
    told = {"proxy_certificates": True}
    assert Settings.model_validate({"host": "127.0.0.1", "tls": told}).tls.proxy_certificates
    for host in ("10.0.0.7", "192.168.1.2", "broker.example"):
        with pytest.raises(ValidationError):
            Settings.model_validate({"host": host, "tls": told})
