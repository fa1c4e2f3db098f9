from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from api.identity.scopes import MATRIX, Door, Role
from tests.integration.api.street import deposit, to_bank
from tests.unit.api.hostile import CANARY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.integration.api.street import Street

HANDS = 8
NO_CLIENT, NO_QUOTE, NO_WITHDRAWAL = (f"0192f0c0-0000-7000-8000-00000000000{n}" for n in "123")

SHAPES = {
    "empty": b"",
    "spaces": b"  \n",
    "null": b"null",
    "list": b"[]",
    "text": f'"{CANARY}"'.encode(),
    "number": b"1",
    "nothing in it": b"{}",
    "deep": b"[" * 60_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "cut": b'{"client":"',
    "utf-16": '{"a":1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "bad utf-8": b'{"client":"\xff\xfe"}',
    "raw NUL": b'{"client":"\x00"}',
    "two bodies": b"{}{}",
    "form": b"amount=1&client=" + CANARY.encode(),
    "too large": b'{"client":"' + b"x" * 70_000 + b'"}',
}
VALUES = (
    *("1e999999", "NaN", "Infinity", "-0", "1.5", "9" * 5000, "-1", "[]", "{}", "[[[[]]]]"),
    *('""', '" "', '"\\ud800"', '"\\u0000"', '"\\u202e"', '"\\n"', '"٣"', '"\uff11"'),
    *(f'"{"9" * 5000}"', '"+1"', '"1,00"', '"\' OR 1=1 --"'),
    *(f'"../{CANARY}"', '"<script>"', '"${jndi:x}"', '"%00"', '"🦊"'),
)
MEANT = (
    ("currency", '"ZZZ"'),
    ("currency", '"XAU"'),
    ("currency", '"HRK"'),
    ("into", '"XDR"'),
    ("account_currency", '"ANG"'),
    ("amount", '"0"'),
    ("amount", '"1e5"'),
    ("amount", '"0x10"'),
    ("amount", '"1_000"'),
    ("amount", '"0.00"'),
    ("amount", '"0.001"'),
    ("client", f'"{NO_CLIENT}"'),
    ("provider", '"nobody"'),
    ("merchant_account", '"nobody"'),
    ("valid_until", '"1970-01-01T00:00:00Z"'),
    ("happened_at", '"2026-02-30T00:00:00Z"'),
    ("bid", '"0"'),
    ("bid", '"1e-5"'),
    ("bid", '"999999999999"'),
    ("level", "4"),
    ("level", "0"),
    ("decision", '"revoke"'),
    ("quote", f'"{NO_QUOTE}"'),
    ("frozen", '"true"'),
    ("frozen", "1"),
    ("final", "true"),
    ("residence", '"Cy"'),
)


class WritingDoor:
    """A writing door: who may knock, where, and a body that fits."""

    def __init__(self, role: Role, path: str, body: dict[str, Any] | None, who: str = "") -> None:
        self.role, self.path, self.body, self.who = role, path, body, who


@pytest.fixture(scope="module")
def doors(shared: Street) -> list[WritingDoor]:
    return writing_doors(shared)


def writing_doors(street: Street) -> list[WritingDoor]:
    client = street.register("EUR")
    bank = to_bank("acct_1", "gbba_1", "EUR")
    person = {"residence": "CY", "category": "retail", "account_currency": "EUR", "name_ref": "x"}
    login = {
        "platform": "mt5",
        "login": "7",
        "group": "g",
        "account_type": "funded",
        "book": "b",
        "programme": "p",
    }
    level = {"level": 1, "valid_until": "2027-01-01T00:00:00Z", "evidence_ref": "k"}
    activity = {"kind": "login", "happened_at": "2026-10-22T08:00:00Z", "ip_ref": "ip:1"}
    price = {"base": "EUR", "quote": "GBP", "bid": "0.86", "ask": "0.87"}
    return [
        WritingDoor(Role.CRM, "/v1/clients", person),
        WritingDoor(Role.CRM, f"/v1/clients/{client}/activity", activity),
        WritingDoor(Role.CRM, f"/v1/clients/{client}/trading-accounts", login),
        WritingDoor(
            Role.RISK,
            f"/v1/clients/{client}/freeze",
            {"currency": "EUR", "reason": "r"},
            "person:eve",
        ),
        WritingDoor(
            Role.RISK,
            f"/v1/clients/{client}/unfreeze",
            {"currency": "EUR", "reason": "r"},
            "person:eve",
        ),
        WritingDoor(Role.COMPLIANCE, f"/v1/kyc/{client}", {"decision": "approve"} | level),
        WritingDoor(Role.OPERATIONS, "/v1/deposits", deposit(client) | {"quote": NO_QUOTE}),
        WritingDoor(
            Role.OPERATIONS,
            "/v1/withdrawals",
            {"client": client, "amount": "1.00", "currency": "EUR", "route": bank},
        ),
        WritingDoor(Role.OPERATIONS, f"/v1/withdrawals/{NO_WITHDRAWAL}/cancel", None),
        WritingDoor(
            Role.OPERATIONS, f"/v1/withdrawals/{NO_WITHDRAWAL}/approve", None, "person:ana"
        ),
        WritingDoor(
            Role.OPERATIONS,
            "/v1/conversions/quotes",
            {"client": client, "amount": "1.00", "currency": "EUR", "into": "USD"},
        ),
        WritingDoor(Role.OPERATIONS, "/v1/conversions", {"client": client, "quote": NO_QUOTE}),
        WritingDoor(Role.FINANCE, "/v1/rates", price, "person:ann"),
    ]


def test_every_writing_door_is_tried(doors: list[WritingDoor]) -> None:
    tried = {door.path.count("/") for door in doors}
    writing = [row for row in MATRIX if row.method == "POST" and row.door is Door.BEARER]

    assert len(doors) == len(writing)
    assert all(any(row.pattern.fullmatch(door.path) for door in doors) for row in writing), tried


def test_no_hostile_body_is_taken_breaks_anything_or_comes_back(
    shared: Street, doors: list[WritingDoor]
) -> None:
    head = shared.house.book.head()
    for door in doors:
        shared.headers(door.role, None, door.who)

    def knock(knocked: tuple[WritingDoor, str, bytes]) -> tuple[str, str, httpx.Response]:
        door, name, raw = knocked
        headers = shared.headers(door.role, None, door.who) | {
            "Idempotency-Key": f"hostile-{hash(knocked[1:])}",
            "Content-Type": "application/json",
        }
        return door.path, name, shared.http.post(door.path, content=raw, headers=headers)

    with ThreadPoolExecutor(HANDS) as pool:
        answers = list(pool.map(knock, _knocks(doors)))

    assert len(answers) > 1_300
    for path, name, answer in answers:
        assert 400 <= answer.status_code < 500, (path, name, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert CANARY not in answer.text, (path, name)
    assert shared.house.book.head() == head


def test_a_body_that_fits_is_taken(shared: Street, doors: list[WritingDoor]) -> None:
    taken = [
        shared.ask(door.role, door.path, door.body, subject=door.who).status_code
        for door in doors
        if door.path in {"/v1/clients", "/v1/conversions/quotes", "/v1/rates"}
    ]

    assert taken == [201, 201, 201]


def _knocks(doors: list[WritingDoor]) -> Iterator[tuple[WritingDoor, str, bytes]]:
    for door in doors:
        for name, raw in SHAPES.items():
            yield door, name, raw
        if door.body is None:
            continue
        good = json.dumps(door.body).encode()
        yield door, "a member too many", good[:-1] + f',"{CANARY}":1}}'.encode()
        yield door, "the same member twice", good[:-1] + b"," + good[1:]
        for member in door.body:
            for value in VALUES:
                yield door, f"{member} {value[:20]}", _with(door.body, member, value)
        for member, value in MEANT:
            if member in door.body:
                yield door, f"{member} {value}", _with(door.body, member, value)


def _with(body: dict[str, Any], member: str, value: str) -> bytes:
    texts = {name: json.dumps(kept) for name, kept in body.items()} | {member: value}
    members = (f'"{name}":{text}' for name, text in texts.items())
    return ("{" + ",".join(members) + "}").encode()
