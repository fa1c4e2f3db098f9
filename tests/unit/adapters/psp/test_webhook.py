"""The door for Stripe's webhooks: who gets in, and who does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import stripe

from adapters.psp.stripe.translate import Translator
from adapters.psp.stripe.webhook import Webhook, sign, verify
from ledger.errors import InvalidInput
from payments.notices import Unrecognised

NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
TIME = str(int(NOW.timestamp()))
SECRET, OLDER = "whsec_now", "whsec_before"
DOOR = Webhook(Translator("stripe-eu", live=False), (SECRET, OLDER))
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "some.thing",
    "created": 1790845200,
    "livemode": False,
    "data": {"object": {"id": "x_1", "object": "thing"}},
}
BODY = json.dumps(EVENT).encode()


def header(body: bytes = BODY, secret: str = SECRET, time: str = TIME) -> str:
    return f"t={time},v1={sign(body, secret, time)}"


def code_of(raw: bytes, signature: str | None, now: datetime = NOW) -> str:
    with pytest.raises(InvalidInput) as refusal:
        DOOR.receive(raw, {"stripe-signature": signature} if signature else {}, now=now)
    return refusal.value.public_code


def test_computes_the_signature_of_the_published_vector() -> None:
    body = b'{"id":"evt_1","object":"event"}'

    assert (
        sign(body, "whsec_test_secret", "1700000000")
        == "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd"
    )


def test_takes_what_the_sdk_signs() -> None:
    signature = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, int(TIME))

    delivery = DOOR.receive(BODY, {"stripe-signature": signature}, now=NOW)

    assert delivery.event == "evt_1"
    assert delivery.report == Unrecognised(type="some.thing")
    assert delivery.raw == BODY


def test_takes_either_secret_while_one_is_rolled() -> None:
    DOOR.receive(BODY, {"stripe-signature": header(secret=OLDER)}, now=NOW)
    several = f"t={TIME},v0={'0' * 64},v1={'0' * 64},v1={sign(BODY, SECRET, TIME)}"
    DOOR.receive(BODY, {"stripe-signature": several}, now=NOW)

    assert code_of(BODY, header(secret="whsec_other")) == "signature_invalid"


@pytest.mark.parametrize("off_s", [-300, -1, 0, 1, 300])
def test_takes_a_signature_of_the_last_and_next_five_minutes(off_s: int) -> None:
    DOOR.receive(BODY, {"stripe-signature": header()}, now=NOW + timedelta(seconds=off_s))


@pytest.mark.parametrize("off_s", [-301, 301, -86_400 * 3650, 86_400 * 3650])
def test_refuses_another_time_on_either_side(off_s: int) -> None:
    assert code_of(BODY, header(), NOW + timedelta(seconds=off_s)) == "signature_expired"


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        (None, "signature_missing"),
        ("", "signature_missing"),
        ("nonsense", "signature_malformed"),
        (f"t={TIME}", "signature_malformed"),
        (f"v1={'0' * 64}", "signature_malformed"),
        (f"t={TIME},v0={sign(BODY, SECRET, TIME)}", "signature_malformed"),
        (f"t=-{TIME},v1={'0' * 64}", "signature_malformed"),
        (f"t=0{TIME},v1={'0' * 64}", "signature_malformed"),
        (f"t={'9' * 5000},v1={'0' * 64}", "signature_malformed"),
        (f"t={TIME},t={TIME},v1={'0' * 64}", "signature_malformed"),
        (f"t=١٢٣٤,v1={'0' * 64}", "signature_malformed"),
        (f"t={TIME},v1={'é' * 64}", "signature_malformed"),
        (f"t={TIME},v1={sign(BODY, SECRET, TIME).upper()}", "signature_malformed"),
        (f"t={TIME}," + ",".join(f"v1={'0' * 64}" for _ in range(17)), "signature_malformed"),
        (f"t={TIME},v1={'0' * 64}", "signature_invalid"),
    ],
)
def test_refuses_what_is_not_signed_well(signature: str | None, code: str) -> None:
    assert code_of(BODY, signature) == code


@pytest.mark.parametrize("body", [BODY + b" ", BODY[:-1], BODY.replace(b"x_1", b"x_2")])
def test_refuses_a_body_that_was_touched(body: bytes) -> None:
    assert code_of(body, header()) == "signature_invalid"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"null", "not_an_event"),
        (b"[]", "not_an_event"),
        (b"17", "not_an_event"),
        (b"{}", "not_an_event"),
        (json.dumps({**EVENT, "object": "charge"}).encode(), "not_an_event"),
        (json.dumps({**EVENT, "id": "evt 1"}).encode(), "not_an_event"),
        (json.dumps({**EVENT, "created": "yesterday"}).encode(), "not_an_event"),
        (json.dumps({**EVENT, "created": 10**18}).encode(), "not_an_event"),
        (json.dumps({**EVENT, "livemode": 0}).encode(), "not_an_event"),
        (json.dumps({**EVENT, "livemode": True}).encode(), "wrong_mode"),
        (b'{"id":"evt_1","id":"evt_2"}', "duplicate_key"),
        (b"\xef\xbb\xbf" + BODY, "malformed_json"),
        (b" " * 300_000, "body_too_large"),
    ],
)
def test_refuses_a_signed_body_that_is_no_event_for_us(body: bytes, code: str) -> None:
    assert code_of(body, header(body)) == code


def test_a_live_endpoint_refuses_a_test_event() -> None:
    live = Webhook(Translator("stripe-eu", live=True), (SECRET,))

    with pytest.raises(InvalidInput) as refusal:
        live.receive(BODY, {"stripe-signature": header()}, now=NOW)

    assert refusal.value.public_code == "wrong_mode"


@pytest.mark.parametrize("secrets", [(), ("",), (" ",), ("a", "b", "c")])
def test_does_not_open_without_proper_secrets(secrets: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError):
        Webhook(Translator("stripe-eu", live=False), secrets)


def test_never_shows_its_secrets() -> None:
    assert SECRET not in repr(DOOR)


def test_the_sdk_takes_a_signature_from_the_future() -> None:
    """The control: what the window on both sides is for."""
    future = int(datetime.now(UTC).timestamp()) + 10 * 365 * 86_400
    signature = header(time=str(future))

    stripe.Webhook.construct_event(BODY, signature, SECRET)
    with pytest.raises(InvalidInput):
        verify(BODY, signature, (SECRET,), now=datetime.now(UTC))
