from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from api.access import NAMES_MAX, Named
from api.scopes import Role
from ledger.errors import Conflict, LogUnreachable
from tests.unit.api.small_house import ALICE, OF_ALICE, OF_BOB, SECRET, House, good_body

READ = f"/v1/withdrawals/{OF_ALICE}"


def test_a_granted_call_is_recorded_with_what_it_touched(house: House) -> None:
    answer = house.ask("GET", READ, token=house.token(subject="person:dana"))

    (record,) = house.records
    assert record.request_id == answer.headers["x-request-id"]
    assert (record.subject, record.role, record.entity) == ("person:dana", "operations", "acme-cy")
    assert (record.method, record.route) == ("GET", "/v1/withdrawals/{withdrawal}")
    assert (record.scope, record.status) == ("withdrawals:read", 200)
    assert record.target == f"withdrawal={OF_ALICE}"
    assert record.did == ("read withdrawal",)
    assert record.clients.names == (str(ALICE),)


def test_a_denied_call_is_recorded_with_the_reason(house: House) -> None:
    house.ask("GET", READ, token=None)
    house.ask("GET", READ, token="a.b.c")
    house.ask("GET", READ, token=house.token(Role.CRM))
    house.ask("GET", f"/v1/withdrawals/{OF_BOB}", token=house.token(Role.CLIENT, client=ALICE))

    assert [(r.status, r.subject, bool(r.reason), r.did) for r in house.records] == [
        (401, "", False, ()),
        (401, "", True, ()),
        (403, "service:crm", False, ()),
        (404, "service:client", False, ()),
    ]
    assert house.records[3].target == f"withdrawal={OF_BOB}"


def test_a_refused_and_a_failed_call_are_recorded(house: House) -> None:
    house.withdraw(good_body(amount="-1"))
    house.failing.append(RuntimeError("boom"))
    house.ask("GET", "/v1/events", token=house.token(Role.AUDIT))

    assert [record.status for record in house.records] == [422, 500]


def test_an_answer_whose_record_cannot_be_written_is_withheld(house: House) -> None:
    served = house.ask("GET", READ)
    house.sink_down = True

    withheld = house.ask("GET", READ)

    assert SECRET.encode() in served.body
    assert (withheld.status, withheld.code) == (503, "access_log_unavailable")
    assert withheld.json["retry"] is True
    assert SECRET.encode() not in withheld.body
    assert withheld.headers["content-type"] == "application/problem+json"
    assert house.ask("GET", READ, token=None).status == 503
    assert house.ask("GET", "/healthz", token=None).status == 200


def test_that_nothing_can_be_served_is_told_without_a_record(house: House) -> None:
    house.sink_down = True
    house.failing.append(LogUnreachable("the database does not answer"))
    unreachable = house.ask("GET", "/v1/events", token=house.token(Role.AUDIT))
    house.failing.append(Conflict("of this client"))
    judged = house.ask("GET", "/v1/events", token=house.token(Role.AUDIT))

    assert (unreachable.status, unreachable.code) == (503, "database_unavailable")
    assert (judged.status, judged.code) == (503, "access_log_unavailable")


def test_what_no_record_is_due_for_is_not_recorded(house: House) -> None:
    house.ask("GET", "/healthz", token=None)
    house.ask("GET", "/nowhere")
    house.ask("DELETE", "/v1/withdrawals")
    house.ask("POST", "/webhooks/stripe/eu-1", token=None, body=b"unsigned")

    assert house.records == []


def test_a_verified_webhook_is_recorded_under_its_merchant_account(house: House) -> None:
    house.ask("POST", "/webhooks/stripe/eu-1", token=None, body=b"signed")

    (record,) = house.records
    assert record.subject == "provider=stripe merchant_account=eu-1"
    assert (record.role, record.did) == ("psp_ingress", ("accepted webhook",))


@pytest.mark.parametrize("body", [good_body(to={"iban_reference": "canary-iban"}), b'"canary-raw"'])
def test_no_credential_and_no_body_is_in_a_record(house: House, body: object) -> None:
    token = house.token()

    house.withdraw(
        body,
        token=token,
        headers=[
            (b"content-type", b"application/json"),
            (b"idempotency-key", b"canary-key"),
            (b"cookie", b"canary-cookie"),
            (b"x-request-id", b"canary id with spaces"),
        ],
    )
    house.ask("GET", "/v1/withdrawals/canary-path\n", token=token)
    house.ask("GET", "/v1/withdrawals/canary path")

    told = json.dumps([asdict(record) for record in house.records], default=str)
    assert len(house.records) == 3
    assert "canary" not in told
    for part in token.split("."):
        assert part not in told


def test_a_record_names_some_and_proves_all() -> None:
    many = {f"client-{number:04}" for number in range(NAMES_MAX + 1)}

    named, fewer = Named.of(many), Named.of(many - {"client-0100"})

    assert (len(named.names), named.count) == (NAMES_MAX, NAMES_MAX + 1)
    assert named.names == fewer.names
    assert named.sha256 != fewer.sha256
    assert Named.of(set()) == Named((), 0, "")
