from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from api.door.headers import SAFE_HEADERS, TLS_ONLY
from api.house.settings import Settings
from tests.unit.api.small_house import MISSING, OF_ALICE, Answer, House, open_house

if TYPE_CHECKING:
    from pathlib import Path

OURS = b"https://dashboard.example"
READ = f"/v1/withdrawals/{OF_ALICE}"


@pytest.fixture
def open_to_one(tmp_path: Path) -> House:
    return open_house(tmp_path / "home", origins=(OURS.decode(),))


def preflight(house: House, origin: bytes, path: str = READ, method: bytes = b"GET") -> Answer:
    headers = [(b"origin", origin), (b"access-control-request-method", method)]
    return house.ask("OPTIONS", path, token=None, headers=headers)


def allowed(answer: Answer) -> dict[str, str]:
    return {k: v for k, v in answer.headers.items() if k.startswith("access-control-")}


def test_by_default_no_browser_of_another_origin_may_do_anything(house: House) -> None:
    asked = preflight(house, OURS)
    read = house.ask("GET", READ, headers=[(b"origin", OURS)])

    assert (asked.status, allowed(asked)) == (405, {})
    assert (read.status, allowed(read)) == (200, {})


def test_a_named_origin_may_call_the_doors_that_take_a_token(open_to_one: House) -> None:
    asked = preflight(open_to_one, OURS)
    read = open_to_one.ask("GET", READ, headers=[(b"origin", OURS)])

    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == OURS.decode()
    assert asked.headers["access-control-allow-methods"] == "GET"
    assert read.headers["access-control-allow-origin"] == OURS.decode()
    assert "Origin" in read.headers["vary"]
    assert not any("credentials" in name for name in (*asked.headers, *read.headers))


def test_a_named_origin_hears_of_a_refusal_too(open_to_one: House) -> None:
    missing = open_to_one.ask("GET", f"/v1/withdrawals/{MISSING}", headers=[(b"origin", OURS)])

    assert missing.status == 404
    assert missing.headers["access-control-allow-origin"] == OURS.decode()


@pytest.mark.parametrize(
    "origin",
    [
        *(b"https://evil.example", b"https://dashboard.example.evil.example", b"null", b"*", b""),
        *(
            b"http://dashboard.example",
            b"https://dashboard.example:8443",
            b"HTTPS://dashboard.example",
        ),
        *(
            b"https://dashboard.example/",
            b"https://dashboard.example https://evil.example",
            b"\xff",
        ),
    ],
)
def test_another_origin_is_told_nothing(open_to_one: House, origin: bytes) -> None:
    asked = preflight(open_to_one, origin)
    read = open_to_one.ask("GET", READ, headers=[(b"origin", origin)])

    assert (asked.status, allowed(asked), allowed(read)) == (405, {}, {})


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/nowhere", b"GET"),
        ("/healthz", b"GET"),
        ("/webhooks/stripe/eu-1", b"POST"),
        (READ, b"DELETE"),
        (READ, b"\xff"),
    ],
)
def test_a_preflight_is_answered_for_doors_of_the_matrix_only(
    open_to_one: House, path: str, method: bytes
) -> None:
    asked = preflight(open_to_one, OURS, path, method)

    assert (asked.status, allowed(asked).get("access-control-allow-methods")) in {
        (404, None),
        (405, None),
    }


def test_two_origins_are_none(open_to_one: House) -> None:
    read = open_to_one.ask("GET", READ, headers=[(b"origin", OURS), (b"origin", b"https://a.b")])

    assert allowed(read) == {}


@pytest.mark.parametrize(
    "origin", ["*", "https://*", "https://*.example", "http://a.example", "null", "https://a/x"]
)
def test_the_settings_name_origins_one_by_one_and_by_https(origin: str) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"origins": [origin]})
    assert Settings.model_validate({"origins": [OURS.decode()]}).origins == (OURS.decode(),)


def test_a_preflight_and_a_refusal_carry_the_safe_headers(open_to_one: House) -> None:
    for answer in (preflight(open_to_one, OURS), preflight(open_to_one, b"https://evil.example")):
        for name, value in SAFE_HEADERS.items():
            assert answer.headers[name.lower()] == value


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_only_tls_asks_for_tls_from_now_on(house: House, scheme: str) -> None:
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope: dict[str, object] = {
        "type": "http",
        "method": "GET",
        "scheme": scheme,
        "path": "/healthz",
        "raw_path": b"/healthz",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": None,
    }
    asyncio.run(house.app(scope, receive, send))  # type: ignore[arg-type]

    names = {bytes(name).decode() for name, _ in sent[0]["headers"]}  # type: ignore[attr-defined]
    assert ({name.lower() for name in TLS_ONLY} <= names) == (scheme == "https")
