"""Ten thousand webhooks, a third of them signed: whatever they say, nothing breaks, none is lost.

The seed is printed with every failure.
"""

from __future__ import annotations

import copy
import http.client
import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from adapters.psp.stripe.webhook import sign
from api.house.front import SAMPLE_BYTES, SAMPLES_MAX
from api.identity.scopes import Role
from payments.facts import NoticeReceived
from tests.integration.api.street import MERCHANT, SECRET, deposit, to_bank

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.api.street import Street

SEED = 20_261_122
BODIES = 10_000
HANDS = 24
PATH = f"/webhooks/stripe/{MERCHANT}"
ENVELOPE = ("id", "object", "type", "created", "livemode", "api_version")
WORDS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 10**12, 10**18, 10**30, 1.5, -0.0, "", " ", "0", "eur"),
    *("kwd", "zzz", "x" * 3000, "\u202e", "🦊", "succeeded", "failed", "lost", "won", [], {}),
    *([None], {"a": {"b": []}}, "pi_" + "0" * 24, "00000000-0000-0000-0000-000000000000"),
)


@dataclass(frozen=True)
class Letter:
    body: bytes
    signature: str | None
    event: str | None
    """The event that must be in the log: signed, in time, and an event of Stripe for certain."""


def letters(chance: random.Random, events: list[dict[str, Any]]) -> list[Letter]:
    now = int(datetime.now(UTC).timestamp())
    made = []
    for number in range(BODIES):
        event = copy.deepcopy(chance.choice(events))
        event["id"] = f"evt_{chance.getrandbits(96):024x}"
        for _ in range(chance.randrange(4)):
            _mangle(chance, event["data"] if "data" in event else event["related_object"])
        if number % 3:
            made.append(_unsigned(chance, event, now))
        elif number % 30 == 0:
            made.append(_odd(chance, event, now))
        else:
            made.append(_signed(json.dumps(event).encode(), now, _certain(event)))
    return made


def _mangle(chance: random.Random, node: Any) -> None:
    """Put a strange word somewhere into a tree, or take something out of it."""
    while isinstance(node, dict | list) and node:
        key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
        inner = node[key]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.85:
            node = inner
        elif isinstance(node, dict) and chance.random() < 0.2:
            del node[key]
            return
        else:
            node[key] = copy.deepcopy(chance.choice(WORDS))
            return


def _certain(event: dict[str, Any]) -> str | None:
    # A number of more than nineteen digits is refused by the parser, signed or not.
    return None if str(10**30) in json.dumps(event) else str(event["id"])


def _signed(body: bytes, now: int, event: str | None) -> Letter:
    time = str(now)
    return Letter(body, f"t={time},v1={sign(body, SECRET, time)}", event)


def _odd(chance: random.Random, event: dict[str, Any], now: int) -> Letter:
    """Signed, and perhaps no event at all."""
    event[chance.choice(ENVELOPE)] = copy.deepcopy(chance.choice(WORDS))
    raw = json.dumps(event).encode()
    odd = (raw, raw[: len(raw) // 2], b"", b"[]", b"null", raw + raw, b"\xff" + raw, b"[" * 9_000)
    return _signed(chance.choice(odd), now, None)


def _unsigned(chance: random.Random, event: dict[str, Any], now: int) -> Letter:
    body = json.dumps(event).encode()
    good = sign(body, SECRET, str(now))
    return chance.choice(
        (
            Letter(body, None, None),
            Letter(body, "", None),
            Letter(body, f"t={now},v1={'0' * 64}", None),
            Letter(body, f"t={now},v1={sign(body, 'whsec_other', str(now))}", None),
            Letter(body + b" ", f"t={now},v1={good}", None),
            Letter(body, f"t={now + 3_600},v1={sign(body, SECRET, str(now + 3_600))}", None),
            Letter(body, f"t={now - 3_600},v1={sign(body, SECRET, str(now - 3_600))}", None),
            Letter(body, f"v1={good}", None),
            Letter(body, "t=" + "9" * 400 + f",v1={good}", None),
            Letter(chance.randbytes(chance.randrange(2_000)), "t=1,v1=" + "\x7f" * 9, None),
        )
    )


@pytest.mark.slow
def test_of_ten_thousand_webhooks_none_breaks_the_house_and_none_signed_is_lost(
    street: Street,
) -> None:
    chance = random.Random(SEED)
    _play(street)
    street.stripe.pause_webhooks()
    events = [json.loads(e.body) for e in (*street.stripe.world.events, *street.stripe.world.thin)]
    sent = letters(chance, events)
    certain = [letter.event for letter in sent if letter.event is not None]

    answers = _post(street, sent)
    while street.house.worker.round():
        pass

    seen = Counter(status for _, status in answers)
    assert set(seen) <= {200, 400}, (SEED, seen)
    for letter, status in answers:
        assert letter.event is None or status == 200, (SEED, letter)
    kept = _kept(street)
    assert len(certain) > BODIES * 0.28
    assert not [event for event in certain if kept[event] != 1], SEED
    # Control: what nobody of ours had signed is not in the log.
    assert seen[400] > BODIES * 0.6
    trial = street.see(Role.FINANCE, "/v1/trial-balance", after=street.house.book.head())
    assert trial["balanced"], (SEED, trial["sums"])
    assert street.house.book.verify().problem is None


def test_a_duplicate_is_acknowledged_and_kept_once(shared: Street) -> None:
    shared.pay_in(shared.register("EUR"), "10.00", "EUR")
    raw = shared.stripe.world.events[-1].body
    letter = _signed(raw, int(datetime.now(UTC).timestamp()), None)
    head = shared.house.book.head()
    answers = _post(shared, [letter] * 5)

    assert {status for _, status in answers} == {200}
    assert shared.house.book.head() == head


def test_a_door_that_is_nobodys_takes_nothing(shared: Street) -> None:
    for path in ("/webhooks/stripe/other", "/webhooks/adyen/stripe-eu", "/webhooks/stripe"):
        answer = shared.http.post(path, content=b"{}")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_unverified_messages_are_counted_sampled_and_never_kept_whole(street: Street) -> None:
    secret = b"4242424242424242"
    before = street.house.book.head(), street.house.access.head()
    for number in range(120):
        street.http.post(PATH, content=b"x" * 1_000 + secret + str(number).encode())
    text = street.http.get("/metrics", headers=street.headers(Role.OPERATOR)).text
    assert (
        'counterfoil_webhooks_refused_total{code="signature_missing",route="stripe/stripe-eu"} 120'
    ) in text
    assert (street.house.book.head(), street.house.access.head()) == before
    samples = street.front.unverified.samples
    assert len(samples) == SAMPLES_MAX
    assert all(len(sample.head) == SAMPLE_BYTES for sample in samples)
    assert not any(secret in sample.head for sample in samples)


def _play(street: Street) -> None:
    """Let something of everything happen, so that there is something to mangle."""
    client = street.register("EUR")
    street.verify(client)
    first = street.pay_in(client, "500.00", "EUR")
    second = street.pay_in(client, "300.00", "USD")
    street.pay_in(client, "4000", "JPY")
    street.stripe.refund_by_hand(first["reference"], 1_000)
    charges = {c["payment_intent"]: c["id"] for c in street.stripe.world.all("charge")}
    lost = street.stripe.open_dispute(charges[second["reference"]])
    street.stripe.close_dispute(lost["id"], "lost")
    street.stripe.warn_of_fraud(charges[first["reference"]])
    route: dict[str, Any] = to_bank(*street.stripe.add_recipient(), "EUR")
    body = {"client": client, "amount": "20.00", "currency": "EUR", "route": route}
    street.do(Role.CLIENT, "/v1/withdrawals", body, whose=client)
    body["route"] = {"kind": "refund", "deposit": first["deposit"]}
    street.do(Role.CLIENT, "/v1/withdrawals", body, whose=client)
    street.do(Role.CLIENT, "/v1/deposits", deposit(client, "9.00"), whose=client)
    street.calm()
    for payout in street.stripe.settle(early=True):
        street.stripe.pay_settlement(payout["id"])
    street.calm()


def _post(street: Street, sent: list[Letter]) -> list[tuple[Letter, int]]:
    where = urlsplit(str(street.http.base_url)).netloc

    def hand(mine: Iterable[Letter]) -> list[tuple[Letter, int]]:
        line = http.client.HTTPConnection(where, timeout=30)
        answers = []
        for letter in mine:
            headers = {"Content-Type": "application/json"}
            if letter.signature is not None:
                headers["Stripe-Signature"] = letter.signature
            line.request("POST", PATH, letter.body, headers)
            with line.getresponse() as answer:
                answer.read()
                answers.append((letter, answer.status))
        line.close()
        return answers

    with ThreadPoolExecutor(HANDS) as pool:
        return [
            a for batch in pool.map(hand, (sent[i::HANDS] for i in range(HANDS))) for a in batch
        ]


def _kept(street: Street) -> Counter[str]:
    kept: Counter[str] = Counter()
    position = 0
    while events := street.house.book.events_after(position, 5_000):
        kept.update(e.fact.event for e in events if isinstance(e.fact, NoticeReceived))
        position = events[-1].position
    return kept
