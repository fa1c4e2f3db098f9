"""One message is followed through the log lines; a trace shows what took how long, and no value."""

from __future__ import annotations

import io
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from api.house.logs import JsonLines
from api.house.traces import trace_to_log
from api.identity.scopes import Role
from tests.integration.api.street import MERCHANT, to_bank

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.api.street import Street

REQUEST = "4f3a1b2c3d4e5f60718293a4b5c6d7e8"
TRACE, PARENT = "a" * 32, "b" * 16
CANARY = "613.57"


class Lines:
    """What our loggers write, as it is written."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def __call__(self, **wanted: Any) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        return [each for each in lines if all(each.get(k) == v for k, v in wanted.items())]

    def awaited(self, count: int, **wanted: Any) -> list[dict[str, Any]]:
        """Wait for lines that are written after their answer has gone out."""
        for _ in range(500):
            if len(found := self(**wanted)) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(f"not written: {wanted}")


@pytest.fixture
def lines() -> Iterator[Lines]:
    written = Lines()
    handler = logging.StreamHandler(written.stream)
    handler.setFormatter(JsonLines())
    ours = logging.getLogger("counterfoil")
    before = ours.level
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield written
    finally:
        ours.removeHandler(handler)
        ours.setLevel(before)
        trace_to_log(on=False)


def pay_in_and_out(street: Street) -> None:
    client = street.register("USD")
    street.verify(client)
    street.pay_in(client, CANARY, "USD")
    body = {
        "client": client,
        "amount": "100.00",
        "currency": "USD",
        "route": to_bank(*street.stripe.add_recipient(), "USD"),
    }
    street.do(Role.CLIENT, "/v1/withdrawals", body, whose=client)
    street.calm()


def followed(lines: Lines, first: dict[str, Any]) -> list[dict[str, Any]]:
    """Every recorded line that has this one for its cause, however far."""
    found, reached = [first], set(first["positions"])
    for line in lines(message="recorded"):
        if line["cause"] in reached:
            found.append(line)
            reached.update(line["positions"])
    return found


def test_a_webhook_is_followed_from_the_door_to_the_money(street: Street, lines: Lines) -> None:
    pay_in_and_out(street)

    kept = [each for each in lines(message="recorded") if each["by"] == f"psp:stripe/{MERCHANT}"]
    trails = [followed(lines, each) for each in kept]
    facts = [{name for line in trail for name in line["facts"]} for trail in trails]
    (paid,) = [t for t, f in zip(trails, facts, strict=True) if "payments.deposit-confirmed" in f]
    (door,) = lines.awaited(1, message="call", request_id=paid[0]["request_id"])
    assert door["route"] == "/webhooks/{provider}/{merchant_account}"
    assert all(line["job"].startswith("merge ") for line in paid[1:])
    assert [each["operation"].split(" ")[0] for each in lines(message="called", system="stripe")]


def test_a_withdrawal_is_followed_to_the_call_that_pays_it(street: Street, lines: Lines) -> None:
    pay_in_and_out(street)

    (asked,) = [
        each
        for each in lines(message="recorded")
        if "payments.withdrawal-requested" in each["facts"]
    ]
    names = [name for line in followed(lines, asked) for name in line["facts"]]
    assert "payments.payout-submitted" in names
    (pay,) = [
        each for each in lines(message="called")
        if each["operation"] == "POST /v2/money_management/outbound_payments"
    ]  # fmt: skip
    assert pay["job"].startswith(("submit ", "pay "))
    assert pay["request_id"]


def test_every_line_of_a_call_carries_its_request_id(street: Street, lines: Lines) -> None:
    headers = street.headers(Role.FINANCE) | {"X-Request-Id": REQUEST}
    street.http.get("/v1/trial-balance", headers=headers)
    street.http.get("/v1/trial-balance", headers=street.headers(Role.FINANCE))

    assert len(lines.awaited(2, message="call")) == 2
    assert len(lines(message="call", request_id=REQUEST)) == 1


def test_spans_hang_together_from_door_to_call_and_hold_no_value(
    street: Street, lines: Lines
) -> None:
    trace_to_log(on=True)
    pay_in_and_out(street)

    begun = {each["parent"] for each in lines(message="span") if each["parent"]}
    for each in begun:  # the outer span ends after the inner one
        lines.awaited(1, message="span", span=each)
    spans = {each["span"]: each for each in lines(message="span")}
    assert {each["of"] for each in spans.values()} == {"door", "command", "reactor", "call"}
    for each in spans.values():
        if each["of"] in {"command", "call"} and each["parent"]:
            assert spans[each["parent"]]["trace"] == each["trace"]
            assert spans[each["parent"]]["milliseconds"] >= each["milliseconds"]
    assert any(spans[e["parent"]]["of"] == "reactor" for e in spans.values() if e["of"] == "call")
    assert CANARY not in lines.stream.getvalue()


@pytest.mark.parametrize(
    ("role", "header", "taken"),
    [
        (Role.CRM, f"00-{TRACE}-{PARENT}-01", True),
        (Role.CRM, f"00-{TRACE}-{PARENT}-01\tx", False),
        (Role.CRM, f"00-{'0' * 32}-{PARENT}-01", False),
        (Role.CRM, f"01-{TRACE}-{PARENT}-01", False),
        (None, f"00-{TRACE}-{PARENT}-01", False),
    ],
)
def test_a_trace_is_taken_up_from_a_believed_caller_only(
    street: Street, lines: Lines, role: Role | None, header: str, *, taken: bool
) -> None:
    trace_to_log(on=True)
    body = {
        "residence": "CY", "category": "retail", "account_currency": "USD", "name_ref": "crm:1",
    }  # fmt: skip
    headers = {"traceparent": header, "Idempotency-Key": "traced"}
    street.http.post(
        "/v1/clients", json=body, headers=headers | (street.headers(role) if role else {})
    )

    (door,) = lines.awaited(1, message="span", of="door")
    assert (door["trace"] == TRACE, door["parent"] == PARENT) == (taken, taken)
    for command in lines(message="span", of="command"):
        assert (command["trace"], command["parent"]) == (door["trace"], door["span"])


def test_a_client_does_not_name_our_traces(street: Street, lines: Lines) -> None:
    client = street.register("USD")
    trace_to_log(on=True)
    headers = street.headers(Role.CLIENT, client) | {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert street.http.get(f"/v1/clients/{client}", headers=headers).is_success

    (door,) = lines.awaited(1, message="span", of="door")
    assert door["trace"] != TRACE


def test_no_span_is_written_unless_asked_for(street: Street, lines: Lines) -> None:
    street.register("USD")

    assert lines.awaited(1, message="call")
    assert not lines(message="span")
