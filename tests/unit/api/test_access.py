from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from api.door.context import Call
from api.identity.scopes import MATRIX, Role, Row
from api.records import denials
from api.records.access import NAMES_MAX, AccessRecord, Named
from api.records.access_words import EVERYTHING, OF_ROUTE, Fields, Outcome, fields_of
from api.records.denials import SAMPLES_MAX
from ledger.errors import Conflict, LogUnreachable
from tests.unit.api.small_house import ALICE, OF_ALICE, OF_BOB, SECRET, House, good_body

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
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


def test_every_denial_of_somebody_we_know_is_a_record(house: House) -> None:
    house.ask("GET", READ, token=house.token(Role.CRM))
    house.ask("GET", f"/v1/withdrawals/{OF_BOB}", token=house.token(Role.CLIENT, client=ALICE))
    house.ask("GET", f"/v1/withdrawals/{OF_BOB}", token=house.token(Role.CLIENT, client=ALICE))

    assert [(r.status, r.subject, r.outcome, r.count) for r in house.records] == [
        (403, "service:crm", Outcome.DENIED, 1),
        (404, "service:client", Outcome.DENIED, 1),
        (404, "service:client", Outcome.DENIED, 1),
    ]
    assert house.records[1].target == f"withdrawal={OF_BOB}"
    assert Fields.PAYMENT_DETAILS in house.records[1].fields


def test_a_storm_of_strangers_is_a_record_for_each_reason(house: House) -> None:
    for _ in range(30):
        house.ask("GET", READ, token=None)
        house.ask("GET", READ, token="a.b.c")
        house.ask("POST", "/webhooks/stripe/eu-1", token=None, body=b"unsigned")
    before = list(house.records)
    house.close()

    assert before == []
    assert {(r.route, r.status, bool(r.reason)): r.count for r in house.records} == {
        ("/v1/withdrawals/{withdrawal}", 401, False): 30,
        ("/v1/withdrawals/{withdrawal}", 401, True): 30,
        ("/webhooks/{provider}/{merchant_account}", 200, False): 30,
    }
    assert all(len(record.samples) == SAMPLES_MAX for record in house.records)
    assert {record.subject for record in house.records} == {""}


def test_control_a_storm_of_somebody_we_know_is_a_record_each(house: House) -> None:
    for _ in range(30):
        house.ask("GET", READ, token=house.token(Role.CRM))

    assert len(house.records) == 30


def test_counted_strangers_are_counted_on_where_they_cannot_be_written(house: House) -> None:
    house.ask("GET", READ, token=None)
    house.sink_down = True
    house.close()
    house.ask("GET", READ, token=None)
    house.sink_down = False
    house.close()

    (record,) = house.records
    assert record.count == 2


def test_an_api_that_was_never_closed_writes_its_strangers_within_a_minute(
    monkeypatch: pytest.MonkeyPatch, house: House
) -> None:
    monkeypatch.setattr(denials, "WINDOW_S", 0.0)

    async def knock() -> None:
        await house.ask_async("GET", READ)
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(knock())

    (record,) = house.records
    assert (record.status, record.count) == (401, 1)


def test_there_are_never_more_kinds_of_strangers_than_named() -> None:
    written: list[AccessRecord] = []

    async def sink(record: AccessRecord) -> None:
        written.append(record)

    async def knock() -> None:
        counted = denials.Denials(sink, lambda: AT)
        row = Row("GET", "/v1/withdrawals", "withdrawals:read")
        for number in range(denials.KINDS_MAX + 50):
            counted.add(Call(f"id-{number}", row, reason=f"reason {number}"), 401)
        await counted.close()

    asyncio.run(knock())

    assert len(written) == denials.KINDS_MAX + 1
    assert sum(record.count for record in written) == denials.KINDS_MAX + 50
    assert written[-1].reason == denials.OTHER


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
    assert house.ask("GET", READ, token=None).status == 401
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
    house.close()

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

    house.ask("GET", READ, token="canary.canary.canary")
    house.close()

    told = json.dumps([asdict(record) for record in house.records], default=str)
    assert len(house.records) == 4
    assert "canary" not in told
    for part in token.split("."):
        assert part not in told


def test_a_record_names_some_and_proves_all() -> None:
    many = {f"client-{number:04}" for number in range(NAMES_MAX + 1)}

    named, fewer = Named.of(many), Named.of(many - {f"client-{NAMES_MAX:04}"})

    assert (len(named.names), named.count) == (NAMES_MAX, NAMES_MAX + 1)
    assert named.names == fewer.names
    assert named.sha256 != fewer.sha256
    assert Named.of(set()) == Named((), 0, "")


def test_every_recorded_route_names_its_classes_of_data() -> None:
    recorded = {f"{row.method} {row.path}" for row in MATRIX if row.recorded}

    assert set(OF_ROUTE) == recorded
    assert all(OF_ROUTE.values())


def test_control_a_route_that_nobody_classified_counts_as_all_data() -> None:
    assert fields_of(Row("GET", "/v1/purses", "purses:read")) == EVERYTHING
