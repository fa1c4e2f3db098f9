from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

from api.identity.scopes import MATRIX, Door, Role
from ledger.store.chain import digest, micros
from tests.integration.api.street import (
    ENTITY,
    NOBODY,
    Street,
)

if TYPE_CHECKING:
    pass

CLIENT, FINANCE, OPERATIONS = Role.CLIENT, Role.FINANCE, Role.OPERATIONS


def test_activity_and_trading_accounts_are_kept_by_reference(shared: Street) -> None:
    client = shared.register("USD")
    login = {
        "platform": "mt5",
        "login": "100200",
        "group": "real\\std",
        "account_type": "live",
        "book": "b",
    }
    activity = {"kind": "login", "happened_at": "2026-10-22T08:59:00Z", "ip_ref": "ip:1"}
    shared.do(Role.CRM, f"/v1/clients/{client}/activity", activity)
    linked = shared.do(Role.CRM, f"/v1/clients/{client}/trading-accounts", login)
    twice = shared.ask(Role.CRM, f"/v1/clients/{client}/trading-accounts", login)
    found = shared.see(Role.CRM, f"/v1/clients/{client}", after=linked["position"])

    assert found["trading_accounts"] == [login | {"programme": None}]
    assert twice.json()["code"] == "already_linked"


def test_balances_answer_for_a_time_and_for_what_was_known_then(shared: Street) -> None:
    client = shared.register("EUR")
    before = shared.clock()
    shared.clock.advance(timedelta(seconds=1))
    shared.pay_in(client, "20.00", "EUR")
    account = f"{ENTITY}:client:wallet:{client}"
    head = shared.house.book.head()

    def stands(**when: str) -> list[str]:
        found = shared.see(FINANCE, "/v1/balances", account=account, after=head, **when)
        return [item["amount"] for item in found["items"]]

    assert stands() == ["20.00"]
    assert stands(at=before.isoformat()) == ["0.00"]
    assert stands(known_at=before.isoformat()) == ["0.00"]


def test_a_statement_runs_forwards(shared: Street) -> None:
    client = shared.register("EUR")
    early, late = "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"

    def between(since: str, until: str) -> Any:
        asked = {"client": client, "currency": "EUR", "from": since, "to": until}
        answer = shared.look(FINANCE, "/v1/statements", **asked)
        return answer.status_code, answer.json().get("code")

    assert between(late, early) == (422, "validation_failed")
    assert between(early, late) == between(early, early) == (200, None)


def test_auditors_can_chain_the_log_by_themselves(shared: Street) -> None:
    shared.register("EUR")
    events: list[dict[str, Any]] = []
    after = 0
    while page := shared.see(Role.AUDIT, "/v1/events", after=after, limit=40)["events"]:
        events += page
        after = page[-1]["position"]

    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert len(events) >= shared.house.book.head() - 1
    assert all(_chains(one, other) for one, other in pairwise(events))
    forged = events[1] | {"state": events[1]["state"].replace("retail", "RETAIL") + " "}
    assert not _chains(events[0], forged)


def _chains(before: dict[str, Any], event: dict[str, Any]) -> bool:
    wanted = digest(
        bytes.fromhex(before["digest"]),
        event["position"],
        UUID(event["stream"]).bytes,
        event["version"],
        micros(datetime.fromisoformat(event["recorded_at"])),
        event["name"].encode(),
        event["state"].encode(),
    )
    return bool(wanted.hex() == event["digest"])


def test_lists_go_on_behind_their_cursor_and_nobody_elses(shared: Street) -> None:
    client = shared.register("EUR")
    made = [shared.announce(client, "10.00", "EUR")["deposit"] for _ in range(5)]
    head = shared.house.book.head()
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2, "after": head}
    while True:
        page = shared.see(CLIENT, "/v1/deposits", whose=client, **query)
        seen += [item["deposit"] for item in page["items"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    wrong = shared.look(
        CLIENT, "/v1/deposits", whose=client, status="failed", cursor=query["cursor"]
    )

    assert seen == made
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_cursor")


def test_metrics_show_requests_lag_work_and_clearing(shared: Street) -> None:
    shared.pay_in(shared.register("EUR"), "20.00", "EUR")
    refused = shared.http.post("/webhooks/stripe/stripe-eu", content=b"{}")
    answer = shared.http.get("/metrics", headers=shared.headers(Role.OPERATOR))

    assert refused.status_code == 400
    for name in (
        'counterfoil_http_requests_total{method="POST",route="/v1/deposits",status="201"}',
        "counterfoil_book_queue 0.0",
        "counterfoil_projection_lag_events",
        'counterfoil_outstanding{kind="notices"} 0.0',
        "counterfoil_notices_parked 0.0",
        'counterfoil_clearing_unexplained{account="acme-cy:psp:clearing:stripe-eu"',
        'counterfoil_webhooks_refused_total{code="signature_missing",route="stripe/stripe-eu"}',
    ):
        assert name in answer.text, name
    assert shared.http.get("/metrics", headers=shared.headers(FINANCE)).status_code == 403


def test_health_asks_for_nothing_and_tells_nothing(shared: Street) -> None:
    assert shared.http.get("/healthz").json() == {"status": "alive"}
    assert shared.http.get("/readyz").json() == {"status": "ready", "degraded": False}


def test_every_door_with_a_credential_stays_shut_without_one(shared: Street) -> None:
    for row in MATRIX:
        if row.door is Door.BEARER:
            answer = shared.http.request(row.method, row.path.replace("{", "").replace("}", ""))

            assert (answer.status_code, answer.json()["code"]) == (401, "token_missing"), row


def test_every_call_to_account_data_is_on_record(street: Street) -> None:
    client = street.register("EUR")
    before = street.house.access.head()
    street.see(FINANCE, "/v1/trial-balance")
    street.look(CLIENT, f"/v1/clients/{NOBODY}/wallets", whose=client)
    street.http.get("/healthz")
    facts = [event.fact for event in street.house.access.events_after(before, 10)]

    assert [(f.did, f.status, f.subject) for f in facts] == [  # type: ignore[attr-defined]
        (("read trial balance",), 200, "service:finance"),
        ((), 404, "service:client"),
    ]
