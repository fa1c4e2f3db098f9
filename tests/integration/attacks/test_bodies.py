"""Bodies with more in them than was asked for, packed, mislabelled, or with money that is none."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from api.identity.scopes import Role
from tests.integration.api.street import deposit, quote
from tests.integration.api.test_hostile_bodies import WritingDoor, writing_doors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.integration.api.street import Street

MEMBERS: dict[str, Any] = {
    "is_admin": True,
    "admin": 1,
    "role": "operations",
    "scope": "withdrawals:approve",
    "entity": "acme-uk",
    "by": "person:ann",
    "subject": "person:ann",
    "caller": {},
    "booked_at": "2026-01-01T00:00:00Z",
    "recorded_at": "2026-01-01T00:00:00Z",
    "at": 0,
    "fee": "0",
    "markup_bps": 0,
    "rate": "1",
    "commission": "-1",
    "available": "1000000",
    "position": 1,
    "id": 1,
    "version": 0,
    "request": "x",
    "idempotency_key": "x",
    "status": "settled",
    "cleared": True,
    "approved_by": ["person:ann"],
    "parked": False,
    "gates": [],
    "skip_kyc": True,
    "four_eyes": False,
    "dry_run": False,
    "test": True,
    "__proto__": {"is_admin": True},
    "constructor": {},
    "Amount": "1.00",
    "amount ": "1.00",
    "clients": [],
    "client_id": "x",
    "$where": "1",
    "_id": {"$ne": None},
    "": 1,
}
LABELS = (
    *("text/plain", "text/json", "application/jsonx", "application/xml", "application/json;"),
    *("application/json; charset=utf-16", "application/json, text/html", "multipart/form-data"),
    *("application/x-www-form-urlencoded", "application/json; charset=utf-8; x=y", "*/*", "json"),
)
NOT_MONEY = (
    *(("EUR", amount) for amount in ("0", "0.00", "-0", "-1.00", "+1", "1e5", "1e999999", "NaN")),
    *(
        ("EUR", amount)
        for amount in ("Infinity", "0x10", "1_000", "1,000", " 1", "1 ", "٣", "\uff11")
    ),
    *(("EUR", amount) for amount in ("\uff11", "0.001", "00.10", ".5", "1.", "9" * 16, "1\n", "")),
    *(("JPY", amount) for amount in ("10.001", "10.5", "0.1")),
    *(("KWD", amount) for amount in ("0.0001", "1.00001")),
    *((code, "1.00") for code in ("eur", "EURO", "ZZZ", "EU", "978", "XXX", "", "EUR\n")),
)


@pytest.fixture(scope="module")
def doors(shared: Street) -> list[WritingDoor]:
    found = writing_doors(shared)
    for door in found:
        shared.headers(door.role, None, door.who)
    return found


def post(
    street: Street, door: WritingDoor, raw: bytes, kind: str = "application/json", **more: str
) -> httpx.Response:
    street.keys += 1
    headers = street.headers(door.role, None, door.who) | {
        "Idempotency-Key": f"body-{street.keys}",
        "Content-Type": kind,
    }
    return street.http.post(door.path, content=raw, headers=headers | more)


def test_no_member_too_many_is_taken_at_any_depth(shared: Street, doors: list[WritingDoor]) -> None:
    head = shared.house.book.head()
    tried = 0
    for door in doors:
        for body in enlarged(door.body):
            answer = post(shared, door, json.dumps(body).encode())
            tried += 1

            assert answer.status_code == 422, (door.path, body, answer.text)
            assert answer.json()["code"] == "validation_failed"

    assert tried > 400
    assert shared.house.book.head() == head


def test_the_same_bodies_without_it_get_past_the_schema(
    shared: Street, doors: list[WritingDoor]
) -> None:
    for door in doors:
        answer = post(shared, door, json.dumps(door.body or {}).encode())

        assert answer.json().get("code") != "validation_failed", (door.path, answer.text)


def test_no_body_is_read_under_another_label(shared: Street, doors: list[WritingDoor]) -> None:
    head = shared.house.book.head()
    for door in doors:
        for label in LABELS if door.body else ():
            answer = post(shared, door, json.dumps(door.body).encode(), label)

            assert (answer.status_code, answer.json()["code"]) == (415, "media_type_unsupported")

    assert shared.house.book.head() == head


def test_no_packed_body_is_unpacked(shared: Street, doors: list[WritingDoor]) -> None:
    head = shared.house.book.head()
    bomb = b'{"client":"' + b"x" * 20_000_000 + b'"}'
    for door in doors:
        for name, packed in {
            "gzip": gzip.compress(json.dumps(door.body).encode()),
            "deflate": zlib.compress(json.dumps(door.body).encode()),
            "gzip, gzip": gzip.compress(gzip.compress(bomb)),
            "br": b"\x8b\x03\x80{}\x03",
        }.items():
            if door.body:
                answer = post(shared, door, packed, **{"Content-Encoding": name})

                assert answer.status_code == 400, (door.path, name, answer.text)
                assert answer.json()["code"] == "malformed_json"

    assert shared.house.book.head() == head


@pytest.mark.parametrize("kind", ["deposit", "withdrawal", "quote"])
def test_what_is_no_money_is_refused_wherever_money_is_asked_for(
    shared: Street, doors: list[WritingDoor], kind: str
) -> None:
    client = shared.register("EUR")
    door = next(d for d in doors if d.path == PATHS[kind])
    body = {"deposit": deposit(client), "quote": quote(client), "withdrawal": door.body}[kind]
    assert body is not None
    head = shared.house.book.head()
    for currency, amount in NOT_MONEY:
        raw = json.dumps(body | {"currency": currency, "amount": amount}).encode()
        answer = post(shared, WritingDoor(Role.OPERATIONS, door.path, None), raw)

        assert answer.status_code in {409, 422}, (currency, amount, answer.text)
        told = answer.json() | {"request_id": ""}
        assert "9999" not in json.dumps(told), "an amount was echoed"

    assert shared.house.book.head() == head


def test_an_amount_that_is_money_is_taken(shared: Street) -> None:
    client = shared.register("EUR")
    for currency, amount in (("EUR", "10.00"), ("JPY", "1000"), ("KWD", "10.001"), ("EUR", "1.5")):
        answer = shared.ask(Role.OPERATIONS, "/v1/deposits", deposit(client, amount, currency))

        assert answer.status_code == 201, answer.text


PATHS = {
    "deposit": "/v1/deposits",
    "withdrawal": "/v1/withdrawals",
    "quote": "/v1/conversions/quotes",
}


def enlarged(body: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Add every member too many, here and in every object inside."""
    for name, value in MEMBERS.items() if body else ():
        assert body is not None
        if name not in body:
            yield body | {name: value}
        for inner, part in body.items():
            if isinstance(part, dict) and name not in part:
                yield body | {inner: part | {name: value}}
