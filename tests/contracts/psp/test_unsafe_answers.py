"""What a provider answers is input like any other: nonsense settles and confirms nothing."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from adapters.outgoing import Listed
from adapters.psp.stripe.client import StripeApi
from adapters.psp.stripe.provider import Stripe
from adapters.psp.stripe.translate import Translator
from adapters.psp.stripe.webhook import Webhook
from ledger.money import Money
from payments.ports import Accepted, PaymentStatus, RefundStatus, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

PAYOUT = UUID("66000000-0000-8000-8000-000000000001")
OTHER = UUID("66000000-0000-8000-8000-000000000002")
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 500,
    "charge": "ch_1",
    "created": 1_790_000_000,
    "currency": "eur",
    "metadata": {"counterfoil_payout": str(PAYOUT)},
    "payment_intent": "pi_1",
    "status": "succeeded",
}
INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 500,
    "amount_received": 500,
    "created": 1_790_000_000,
    "currency": "eur",
    "latest_charge": None,
    "livemode": False,
    "metadata": {},
    "status": "succeeded",
}


class Liar:
    """A provider that answers every call with the same bytes."""

    def __init__(self) -> None:
        self.raw, self.kind, self.status = b"", "application/json", 200
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(liar.status)
                self.send_header("content-type", liar.kind)
                self.send_header("content-length", str(len(liar.raw)))
                self.end_headers()
                self.wfile.write(liar.raw)

            do_POST = do_GET  # noqa: N815 - the library's own name

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.api = StripeApi("sk_test_contract", outgoing=Listed(), address=address, timeout_s=2)
        door = Webhook(Translator("stripe-eu", live=False), ("whsec_contract",))
        self.provider = Stripe(self.api, door, financial_account="fa_1")

    def says(self, answer: object) -> Liar:
        self.raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return self

    def refunds(self) -> object:
        """Ask it to refund five euro of `pi_1` for `PAYOUT`."""
        return self.provider.refund(
            "pi_1", amount=Money(500, "EUR"), payout=PAYOUT, idempotency_key="k"
        )


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    found = Liar()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.api.close()
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def test_an_answer_that_fits_is_taken(liar: Liar) -> None:
    answer = liar.says(REFUND).refunds()

    assert isinstance(answer, Accepted)
    assert answer.notice.status is RefundStatus.SUCCEEDED
    assert isinstance(liar.says(INTENT).provider.retrieve_payment("pi_1"), Accepted)


@pytest.mark.parametrize(
    "twist",
    [
        {"currency": "usd"},
        {"currency": "zzz"},
        {"amount": 500.0},
        {"amount": "500"},
        {"amount": -500},
        {"amount": 50_000},
        {"amount": True},
        {"amount": 10**30},
        {"amount": None},
        {"payment_intent": "pi_other"},
        {"payment_intent": None},
        {"metadata": {"counterfoil_payout": str(OTHER)}},
        {"metadata": {}},
        {"object": "payment_intent"},
        {"id": "../../v1/payouts"},
        {"created": "yesterday"},
    ],
    ids=str,
)
def test_an_answer_about_anything_else_leaves_a_refund_unknown(
    liar: Liar, twist: dict[str, Any]
) -> None:
    assert isinstance(liar.says(REFUND | twist).refunds(), Unknown)


@pytest.mark.parametrize(
    "raw",
    [
        b"<html><body>All good!</body></html>",
        b"",
        b"null",
        b"[]",
        b'"succeeded"',
        b'{"id":"re_1","status":"succeeded"}',
        b"\xff\xfe\x00",
        json.dumps(REFUND).encode()[:-1] + b',"amount":1}',
        json.dumps(REFUND).replace("500", "5e2").encode(),
        json.dumps(REFUND).replace("500", "NaN").encode(),
        json.dumps(REFUND | {"pad": [[[[]]]] * 9}).encode() + b"{}",
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b" " * (9 * 1024 * 1024) + json.dumps(REFUND).encode(),
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_a_yes_that_cannot_be_read_is_no_yes(liar: Liar, raw: bytes) -> None:
    assert isinstance(liar.says(raw).refunds(), Unknown)


def test_a_web_page_that_says_200_is_no_yes(liar: Liar) -> None:
    liar.kind = "text/html"
    try:
        assert isinstance(liar.says(b"<!doctype html><title>OK</title>").refunds(), Unknown)
    finally:
        liar.kind = "application/json"


@pytest.mark.parametrize("word", ["succeeded_ish", "SUCCEEDED", "paid", "ok", "settled"])
def test_an_unknown_status_stays_unknown_and_is_never_success(liar: Liar, word: str) -> None:
    refund = liar.says(REFUND | {"status": word}).refunds()
    payment = liar.says(INTENT | {"status": word}).provider.retrieve_payment("pi_1")

    assert isinstance(refund, Accepted)
    assert refund.notice.status is RefundStatus.UNKNOWN
    assert isinstance(payment, Accepted)
    assert payment.notice.status is PaymentStatus.UNKNOWN


@pytest.mark.parametrize(
    "twist", [{"id": "pi_other"}, {"livemode": True}, {"amount_received": -1}, {"currency": 7}]
)
def test_another_payment_than_the_one_asked_for_is_not_read(
    liar: Liar, twist: dict[str, Any]
) -> None:
    assert isinstance(liar.says(INTENT | twist).provider.retrieve_payment("pi_1"), Unknown)


def test_a_page_that_never_ends_sends_our_key_nowhere_else(liar: Liar) -> None:
    page = {"object": "list", "data": [], "next_page_url": "https://evil.example/v2/x"}

    assert isinstance(liar.says(page | {"data": [7]}).provider.events_after(None), Unknown)
    assert not list(liar.says(page).api.outbounds({}))
