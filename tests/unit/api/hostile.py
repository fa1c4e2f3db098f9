"""Bodies that strangers send: every one must be refused, none may break anything."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.api.small_house import ALICE, good_body

CANARY = "canary-7f3a91"

BAD_AMOUNTS = (
    *("1e999999", "-1e999999", "NaN", "Infinity", "-Infinity", "-0", "0.1", "10", "1" * 5000),
    *("true", "null", "[]", "{}", '["10.00"]'),
    *('"1_000"', '"1,000.00"', '"1E+2"', '"-0"', '"-1"', '"+1"', '"01"', '"1."', '".5"', '""'),
    *('" 1"', '"1 "', '"1\\n"', '"1\\u0000"', '"0x10"', '"NaN"', '"Infinity"', '"1e5"'),
    *(
        '"١٢"',
        '"\uff11\uff12"',
        '"²"',
        '"1.0000000000000000001"',
        '"1000000000000000"',
        f'"{"9" * 5000}"',
    ),
)

BAD_CURRENCIES = ('"eur"', '"E"', '"EUR\\n"', '"EÜR"', "978", "null", f'"{"E" * 40}"')

BAD_CLIENTS = (
    *(f'"urn:uuid:{ALICE}"', f'"{{{ALICE}}}"', f'"{str(ALICE).upper()}"', f'"{ALICE.hex}"'),
    *('""', '"../../etc/passwd"', "7", "null", f'"{ALICE}\\n"', '"\\ud800"'),
)


def body(**other: str) -> bytes:
    """Write a good body, with members replaced by the JSON text given."""
    members = {name: json.dumps(value) for name, value in good_body().items()} | other
    return ("{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}").encode()


def _shapes() -> dict[str, bytes]:
    good = body()
    return {
        "empty": b"",
        "spaces": b"   \n",
        "null": b"null",
        "list": b"[]",
        "list of bodies": b"[" + good + b"]",
        "text": b'"' + CANARY.encode() + b'"',
        "number": b"1",
        "true": b"true",
        "deep lists": b"[" * 60_000,
        "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "deep member": body(tags="[" * 40 + "]" * 40),
        "huge int": b'{"amount":' + b"9" * 5000 + b"}",
        "twenty digits": body(urgent="1" * 20),
        "same key twice": good[:-1] + b',"amount":"99.00"}',
        "same inner key twice": body(to='{"iban_reference":"a","iban_reference":"b"}'),
        "byte order mark": b"\xef\xbb\xbf" + good,
        "bad utf-8": body(to='{"iban_reference":"X"}').replace(b"X", b"\xff\xfe"),
        "overlong utf-8": body(to='{"iban_reference":"X"}').replace(b"X", b"\xc0\xaf"),
        "utf-16": good.decode().encode("utf-16"),
        "trailing text": good + CANARY.encode(),
        "two bodies": good + good,
        "comment": b"/* " + CANARY.encode() + b" */" + good,
        "single quotes": good.replace(b'"', b"'"),
        "cut short": good[:-7],
        "open string": b'{"amount":"' + CANARY.encode(),
        "raw NUL": body(to='{"iban_reference":"X"}').replace(b"X", b"\x00"),
        "raw newline": body(to='{"iban_reference":"X"}').replace(b"X", b"\n"),
        "escaped NUL": body(to='{"iban_reference":"\\u0000"}'),
        "half a character": body(to='{"iban_reference":"\\ud800"}'),
        "half a character in a key": body(**{"\\udfff": "1"}),
        "extra member": body(is_admin="true"),
        "extra member with secrets": body(**{CANARY: f'"{CANARY}"'}),
        "extra times and fees": body(booked_at='"2026-01-01T00:00:00Z"', fee='"0"'),
        "extra inner member": body(to=f'{{"iban_reference":"a","{CANARY}":1}}'),
        "prototype": body(__proto__='{"is_admin":true}'),
        "wrong inner type": body(to=f'["{CANARY}"]'),
        "text for a boolean": body(urgent=f'"{CANARY}"'),
        "one for a boolean": body(urgent="1"),
        "number in a list of texts": body(tags=f'["{CANARY}",1]'),
        "missing members": b"{}",
        "too large": body(to='{"iban_reference":"' + "x" * 70_000 + '"}'),
        "form": b"client=1&amount=" + CANARY.encode(),
    }


def corpus() -> dict[str, bytes]:
    found: dict[str, bytes] = _shapes()
    for kind, texts in (
        ("amount", BAD_AMOUNTS),
        ("currency", BAD_CURRENCIES),
        ("client", BAD_CLIENTS),
    ):
        found |= {f"{kind} {text[:30]}": body(**{kind: text}) for text in texts}
    return found


def echoes(answer: Any) -> bool:
    return CANARY.encode() in answer.body
