"""Ten thousand hostile bodies at the webhook's door, a third of them validly signed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import pytest
import stripe

from adapters.psp.stripe.translate import Translator
from adapters.psp.stripe.webhook import WINDOW_S, Webhook, sign
from ledger.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 20_261_101
BODIES = 10_000
SECRET = "whsec_fuzz"


class Case(NamedTuple):
    body: bytes
    header: str
    signed: bool
    off_s: int


EVENT = {
    "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
    "object": "event",
    "api_version": "2026-10-28.endive",
    "created": 1790845200,
    "data": {
        "object": {
            "id": "pi_1",
            "object": "payment_intent",
            "amount": 100_000,
            "amount_received": 100_000,
            "created": 1790845200,
            "currency": "eur",
            "latest_charge": "ch_1",
            "livemode": False,
            "metadata": {"counterfoil_deposit": "00000000-0000-0000-0000-000000000007"},
            "status": "succeeded",
        }
    },
    "livemode": False,
    "type": "payment_intent.succeeded",
}
VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**18, 10**40, "", "x", "eur", "\x00", "é", [], {}),
    *([[]], {"a": 1}, "1e400", "NaN", -0.0, "payment_intent", "evt_2", "v2.core.event"),
)


def _truncated(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body))]


def _flipped(chance: random.Random, body: bytes) -> bytes:
    found = bytearray(body)
    for _ in range(chance.randrange(1, 6)):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def _swapped(chance: random.Random, _body: bytes) -> bytes:
    event = json.loads(json.dumps(EVENT))
    for _ in range(chance.randrange(1, 4)):
        target = chance.choice([event, event["data"], event["data"]["object"]])
        if not isinstance(target, dict):
            continue
        target[chance.choice([*target, "extra"])] = chance.choice(VALUES)
        if not isinstance(event["data"], dict) or not isinstance(event["data"].get("object"), dict):
            break
    return json.dumps(event).encode()


def _hostile(chance: random.Random, _body: bytes) -> bytes:
    depth = chance.choice([31, 33, 500, 20_000])
    return chance.choice(
        [
            *(b"null", b"[]", b"17", b'"x"', b"", b"\xff\xfe", b"{}", b"true"),
            b"[" * depth + b"]" * depth,
            b'{"a":' * depth + b"1" + b"}" * depth,
            b'{"id":' + b"9" * 5_000 + b"}",
            b'{"amount":1e999999,"x":NaN}',
            b'{"id":"evt_1","id":"evt_2"}',
            b'{"id":"\\ud800"}',
            b'{"object":"v2.core.event","type":"v2.core.x","id":"evt_3"}',
        ]
    )


def _prefixed(chance: random.Random, body: bytes) -> bytes:
    return chance.choice([b"\xef\xbb\xbf", b"\x00", b" ", b"\n", b"{"]) + body


def _whole(_chance: random.Random, body: bytes) -> bytes:
    return body


MAKERS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_truncated, _flipped, _swapped, _swapped, _hostile, _prefixed, _whole),
)


def _bad_header(chance: random.Random, body: bytes, time: int) -> str:
    good = sign(body, SECRET, str(time))
    return chance.choice(
        [
            *("", "t=,v1=", "t=1", "x" * 5_000, "t=1,v1=é", "t=é,v1=" + good, f"v1={good}"),
            f"t={time},v1={sign(body, 'whsec_other', str(time))}",
            f"t={time},v1={good[:-1]}",
            f"t={time},v0={good}",
            f"t={time + 1},v1={good}",
            f"t={'9' * 5_000},v1={good}",
            f"t={time},v1=" + "é" * 64,
        ]
    )


def corpus(now: int) -> list[Case]:
    chance = random.Random(SEED)
    whole = json.dumps(EVENT).encode()
    cases = []
    for number in range(BODIES):
        body = chance.choice(MAKERS)(chance, whole)
        signed = number % 3 == 0
        off_s = chance.choice([0, 0, 0, -200, 200, -400, 400, 10 * 365 * 86_400]) if signed else 0
        time = now + off_s
        header = (
            f"t={time},v1={sign(body, SECRET, str(time))}"
            if signed
            else _bad_header(chance, body, time)
        )
        cases.append(Case(body, header, signed, off_s))
    return cases


def test_nothing_strange_comes_out_and_nobody_gets_in_wrongly() -> None:
    door = Webhook(Translator("stripe-eu", live=False), (SECRET,))
    now = datetime.now(UTC)
    accepted = 0
    for number, case in enumerate(corpus(int(now.timestamp()))):
        try:
            delivery = door.receive(case.body, {"stripe-signature": case.header}, now=now)
        except InvalidInput:
            continue
        accepted += 1
        place = f"seed {SEED}, case {number}"
        assert case.signed, place
        assert abs(case.off_s) <= WINDOW_S, place
        shown = json.loads(case.body)
        assert shown["id"] == delivery.event, place
        assert shown["livemode"] is False, place

    # Well-formed events in time, with whatever object inside, do get in.
    assert accepted > BODIES // 3 // 7 // 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_sdk_lets_strange_exceptions_and_the_future_through() -> None:
    """The control: the same corpus at the SDK's own door."""
    strange = future = 0
    for case in corpus(int(datetime.now(UTC).timestamp())):
        try:
            stripe.Webhook.construct_event(case.body, case.header, SECRET)
        except stripe.SignatureVerificationError:
            continue
        except Exception:
            strange += 1
        else:
            future += case.off_s > WINDOW_S

    assert strange > BODIES // 20
    assert future > 0
