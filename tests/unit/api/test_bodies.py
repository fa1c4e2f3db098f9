from __future__ import annotations

import asyncio

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.types import Message

from api.door import bodies
from tests.unit.api.hostile import body, corpus, echoes
from tests.unit.api.small_house import Answer, House, call, good_body

CORPUS = corpus()
JSON = (b"content-type", b"application/json")
KEY = (b"idempotency-key", b"k-1")


def test_a_good_body_is_served(house: House) -> None:
    assert house.withdraw(good_body()).status == 201
    assert (
        house.withdraw(body(to='{"iban_reference":"a"}', tags='["x"]', urgent="true")).status == 201
    )


@pytest.mark.parametrize("name", CORPUS)
def test_refuses_a_hostile_body_without_repeating_it(house: House, name: str) -> None:
    answer = house.withdraw(CORPUS[name])

    assert 400 <= answer.status < 500, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == f"urn:counterfoil:problem:{answer.code}"
    assert not echoes(answer)


class Loose(BaseModel):
    client: str
    amount: int
    currency: str


def test_a_stock_app_falls_to_the_same_bodies() -> None:
    """The control: the corpus bites where the house's locks are missing."""

    stock = FastAPI()

    @stock.post("/")
    async def create(asked: Loose) -> str:
        return asked.currency

    def send(raw: bytes) -> int:
        try:
            return asyncio.run(call(stock, "POST", "/", b"", [JSON], [raw])).status
        except Exception:
            return 500

    statuses = [send(raw) for raw in CORPUS.values()]

    assert 500 in statuses
    assert 200 in statuses


@pytest.mark.parametrize(
    "media",
    [
        None,
        b"",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/json; charset=utf-16",
        b"application/merge-patch+json",
        b"application/jsonx",
        b"application/json, text/plain",
        b"\xff\xfe",
    ],
)
def test_refuses_another_media_type(house: House, media: bytes | None) -> None:
    headers = [KEY] if media is None else [KEY, (b"content-type", media)]

    answer = house.withdraw(good_body(), headers=headers)

    assert (answer.status, answer.code) == (415, "media_type_unsupported")


@pytest.mark.parametrize(
    "media", [b"application/json", b"Application/JSON", b'application/json; charset="UTF-8"']
)
def test_takes_json_by_any_of_its_spellings(house: House, media: bytes) -> None:
    assert house.withdraw(good_body(), headers=[KEY, (b"content-type", media)]).status == 201


def webhook(house: House, sent: bytes | list[bytes], *headers: tuple[bytes, bytes]) -> Answer:
    return house.ask("POST", "/webhooks/stripe/eu-1", token=None, body=sent, headers=headers)


def test_a_webhook_may_be_larger_than_a_body_but_not_without_end(house: House) -> None:
    most = bodies.WEBHOOK_BYTES_MAX

    assert webhook(house, b"x" * most).json["words"] == str(most)
    assert webhook(house, b"x" * (most + 1)).code == "body_too_large"


def test_what_arrives_is_counted_whatever_was_declared(house: House) -> None:
    chunks = [b"x" * 1000] * 300

    assert webhook(house, chunks, (b"content-length", b"10")).code == "body_too_large"
    assert webhook(house, chunks).code == "body_too_large"
    assert webhook(house, chunks[:200]).status == 200


def test_a_declared_size_over_the_limit_is_refused_unread(house: House) -> None:
    answer = webhook(house, b"small", (b"content-length", b"999999999"))

    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert webhook(house, b"small", (b"content-length", b"9" * 5000)).status == 200


def test_refuses_a_body_that_does_not_arrive(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    async def ask() -> list[int]:
        monkeypatch.setattr(bodies, "BODY_SECONDS_MAX", 0.01)
        statuses: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/webhooks/stripe/eu-1",
            "query_string": b"",
            "headers": [],
        }
        await house.app(scope, silent, send)
        return statuses

    assert asyncio.run(ask()) == [408]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        (b"", "idempotency_key_invalid"),
        (b"a b", "idempotency_key_invalid"),
        (b"a\x00b", "idempotency_key_invalid"),
        (b"a\n", "idempotency_key_invalid"),
        ("ключ".encode(), "idempotency_key_invalid"),
        (b"\xff", "idempotency_key_invalid"),
        (b"k" * 256, "idempotency_key_invalid"),
    ],
)
def test_a_write_needs_a_clean_key(house: House, key: bytes | None, code: str) -> None:
    headers = [JSON] if key is None else [JSON, (b"idempotency-key", key)]

    answer = house.withdraw(good_body(), headers=headers)

    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("key", [b"k", b"k" * 255, b"!~", b'{"$gt":""}'])
def test_any_visible_ascii_is_a_key(house: House, key: bytes) -> None:
    headers = [JSON, (b"idempotency-key", key)]

    assert house.withdraw(good_body(), headers=headers).status == 201


def test_a_broken_body_says_where_but_not_what(house: House) -> None:
    answer = house.withdraw(body(to="{}", amount="7"))

    assert answer.json["violations"] == [
        {"at": "/body/amount", "rule": "string_type"},
        {"at": "/body/to/iban_reference", "rule": "missing"},
    ]
