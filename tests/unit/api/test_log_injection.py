"""Whatever is sent, and wherever it is put: what we write is one JSON object for each line."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from api.house.logs import JsonLines
from api.identity.scopes import Role
from tests.unit.api.small_house import OF_ALICE, House, good_body

if TYPE_CHECKING:
    from collections.abc import Iterator

READ = f"/v1/withdrawals/{OF_ALICE}"
PAYLOADS = (
    'x\n{"level":"info","message":"call","subject":"person:forged"}',
    'x\r\n{"subject":"person:forged"}\r\n',
    'x","subject":"person:forged","y":"',
    "x\u2028\u2029\x85{}",
    "\x1b[2K\x1b[1A\x1b[31mforged\x1b[0m",
    "\x00\x07\x08\x7fforged",
    "\u202eforged\u202c\ufeff",
    "%0a%0dforged",
    "${jndi:ldap://forged}",
    "%(levelname)s %s {0} {message} forged",
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger writes meanwhile, as our formatter writes it."""
    with listening(JsonLines()) as written:
        yield written


class listening:  # noqa: N801 - read as a verb
    """Writes every record of the process into one text."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.text = io.StringIO()
        self.handler = logging.StreamHandler(self.text)
        self.handler.setFormatter(formatter)
        self.level = logging.getLogger().level

    def __enter__(self) -> io.StringIO:
        logging.getLogger().addHandler(self.handler)
        logging.getLogger().setLevel(logging.INFO)
        return self.text

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self.handler)
        logging.getLogger().setLevel(self.level)


def inject(house: House, payload: str) -> int:
    """Put a payload into every place that a caller can write to; count the calls."""
    raw = payload.encode("utf-8")
    calls = 0
    for name in (b"x-request-id", b"user-agent", b"idempotency-key", b"origin", b"x-forwarded-for"):
        house.ask("GET", READ, headers=[(name, raw)])
        calls += 1
    house.ask("GET", READ, headers=[(raw, b"1")])
    house.ask("GET", READ, token=None, headers=[(b"authorization", b"Bearer " + raw)])
    house.ask("GET", f"/v1/{payload}")
    house.ask("GET", f"/v1/withdrawals/{payload}")
    house.ask(payload, READ)
    house.ask("GET", "/v1/statements", query=b"at=" + raw)
    house.ask("GET", "/v1/statements", query=quote(payload).encode() + b"=1")
    house.withdraw(good_body(currency=payload))
    house.withdraw(good_body() | {payload: 1})
    house.withdraw(raw)
    house.failing.append(RuntimeError(payload))
    house.ask("GET", "/v1/events", token=house.token(Role.AUDIT))
    logging.getLogger("elsewhere").warning(payload, extra={"path": payload, payload: payload})
    return calls + 11


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_every_line_is_one_object_of_ours(house: House, log: io.StringIO, payload: str) -> None:
    calls = inject(house, payload)
    written = log.getvalue()

    assert written.isascii()
    assert not any(ord(char) < 32 and char != "\n" for char in written)
    lines = [json.loads(line) for line in written.splitlines()]
    subjects = {line.get("subject", "") for line in lines}
    assert subjects <= {"", "service:operations", "service:audit"}
    assert len([line for line in lines if line["message"] == "call"]) == calls


def test_a_formatter_that_trusts_its_input_is_taken_in(house: House) -> None:
    with listening(logging.Formatter("%(message)s")) as written:
        inject(house, PAYLOADS[0])

    lines = written.getvalue().splitlines()
    assert any('"person:forged"' in line and line.startswith("{") for line in lines)
