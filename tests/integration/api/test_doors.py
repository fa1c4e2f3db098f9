from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from api.scopes import MATRIX, Door, Role
from ledger.store.chain import digest, micros
from tests.integration.api.street import ENTITY, NOBODY, Street, deposit, open_street

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.roles import Database

CLIENT, FINANCE, OPERATIONS = Role.CLIENT, Role.FINANCE, Role.OPERATIONS


def withdrawal(client: str, paid: str, amount: str = "10.00") -> dict[str, Any]:
    route = {"kind": "refund", "deposit": paid}
    return {"client": client, "amount": amount, "currency": "EUR", "route": route}


def quote(client: str) -> dict[str, Any]:
    return {"client": client, "amount": "100.00", "currency": "EUR", "into": "USD"}


# --- the same key


def test_the_same_key_gives_the_same_answer_and_one_deposit(shared: Street) -> None:
    client = shared.register("EUR")
    first = shared.do(CLIENT, "/v1/deposits", deposit(client), key="twice", whose=client)
    head = shared.house.book.head()
    again = shared.do(CLIENT, "/v1/deposits", deposit(client), key="twice", whose=client)

    assert again["deposit"] == first["deposit"]
    assert again["client_token"] is None, "what is told once is not stored"
    assert shared.house.book.head() == head


def test_two_keys_are_two_deposits(shared: Street) -> None:
    client = shared.register("EUR")
    first, second = (shared.announce(client, "10.00", "EUR") for _ in range(2))

    assert first["deposit"] != second["deposit"]


@pytest.mark.parametrize("change", [{"amount": "11.00"}, {"method": "sepa"}])
def test_the_same_key_with_other_contents_is_refused(
    shared: Street, change: dict[str, str]
) -> None:
    client = shared.register("EUR")
    shared.do(CLIENT, "/v1/deposits", deposit(client), key="other", whose=client)
    head = shared.house.book.head()
    answer = shared.ask(CLIENT, "/v1/deposits", deposit(client) | change, key="other", whose=client)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert shared.house.book.head() == head


def test_the_same_key_at_another_door_is_refused(shared: Street) -> None:
    client = shared.register("EUR")
    shared.do(CLIENT, "/v1/deposits", deposit(client), key="door", whose=client)
    answer = shared.ask(CLIENT, "/v1/conversions/quotes", quote(client), key="door", whose=client)

    assert answer.json()["code"] == "idempotency_key_reused"


def test_two_clients_may_choose_the_same_key(shared: Street) -> None:
    one, other = shared.register("EUR"), shared.register("EUR")
    first = shared.do(CLIENT, "/v1/deposits", deposit(one), key="mine", whose=one)
    second = shared.do(CLIENT, "/v1/deposits", deposit(other), key="mine", whose=other)

    assert first["deposit"] != second["deposit"]


def test_many_at_once_with_one_key_make_one_client(shared: Street) -> None:
    body = {"residence": "CY", "category": "retail", "account_currency": "EUR", "name_ref": "x:1"}
    shared.token(Role.CRM)

    def register(_: int) -> str:
        return str(shared.do(Role.CRM, "/v1/clients", body, key="rush")["client"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(register, range(24)))) == 1


def test_a_repeated_quote_needs_no_rate_any_more(street: Street) -> None:
    client = street.register("USD")
    first = street.do(CLIENT, "/v1/conversions/quotes", quote(client), key="q", whose=client)
    street.clock.advance(timedelta(days=2, hours=8))
    again = street.do(CLIENT, "/v1/conversions/quotes", quote(client), key="q", whose=client)
    anew = street.ask(CLIENT, "/v1/conversions/quotes", quote(client), whose=client)

    assert again == first
    assert (anew.status_code, anew.json()["code"]) == (409, "market_closed")


# --- reading what was written


def test_a_client_reads_what_they_just_wrote(shared: Street) -> None:
    client = shared.register("EUR")
    for _ in range(10):
        announced = shared.announce(client, "10.00", "EUR")
        found = shared.see(
            CLIENT,
            f"/v1/deposits/{announced['deposit']}",
            whose=client,
            after=announced["position"],
        )
        assert found["deposit"] == announced["deposit"]


def test_a_position_that_does_not_come_is_not_waited_for_without_end(
    shared: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    import api.front  # noqa: PLC0415 - its limit is what is shortened

    monkeypatch.setattr(api.front, "WAIT_S", 0.05)
    client = shared.register("EUR")
    answer = shared.look(CLIENT, f"/v1/clients/{client}/wallets", whose=client, after=2**62)

    assert (answer.status_code, answer.json()["code"]) == (503, "not_yet")
    assert answer.json()["retry"]
    assert answer.headers["retry-after"] == "1"


# --- one client, and nobody else's


def test_another_clients_things_look_exactly_like_missing_ones(shared: Street) -> None:
    alice, bob = shared.register("EUR"), shared.register("EUR")
    paid = shared.pay_in(alice, "50.00", "EUR")
    asked = shared.do(CLIENT, "/v1/withdrawals", withdrawal(alice, paid["deposit"]), whose=alice)
    head = shared.house.book.head()
    span = {"currency": "EUR", "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}
    account = f"{ENTITY}:client:wallet:"
    doors: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("/v1/clients/{}", alice, {}),
        ("/v1/clients/{}/wallets", alice, {}),
        ("/v1/deposits/{}", paid["deposit"], {}),
        ("/v1/withdrawals/{}", asked["withdrawal"], {}),
        ("/v1/deposits", "", {"client": alice}),
        ("/v1/withdrawals", "", {"client": alice}),
        ("/v1/balances", "", {"client": alice}),
        ("/v1/balances", "", {"account": account + alice}),
        ("/v1/statements", "", {"client": alice} | span),
    )
    for path, name, query in doors:
        theirs = shared.look(CLIENT, path.format(name), whose=bob, after=head, **query)
        missing = shared.look(
            CLIENT,
            path.format(NOBODY),
            whose=bob,
            after=head,
            **{k: v.replace(alice, NOBODY) for k, v in query.items()},
        )
        own = shared.look(CLIENT, path.format(name), whose=alice, after=head, **query)

        assert own.status_code == 200, (path, own.text)
        assert theirs.status_code == missing.status_code == 404, path
        assert _faceless(theirs.json()) == _faceless(missing.json())


def test_nobody_writes_for_another_client(shared: Street) -> None:
    alice, bob = shared.register("EUR"), shared.register("EUR")
    paid = shared.pay_in(alice, "50.00", "EUR")
    asked = shared.do(CLIENT, "/v1/withdrawals", withdrawal(alice, paid["deposit"]), whose=alice)
    given = shared.do(CLIENT, "/v1/conversions/quotes", quote(alice), whose=alice)["quote"]
    head = shared.house.book.head()
    writes = (
        ("/v1/deposits", deposit(alice)),
        ("/v1/withdrawals", withdrawal(alice, paid["deposit"])),
        ("/v1/withdrawals", withdrawal(bob, paid["deposit"])),
        (f"/v1/withdrawals/{asked['withdrawal']}/cancel", None),
        ("/v1/conversions/quotes", quote(alice)),
        ("/v1/conversions", {"client": alice, "quote": given}),
        ("/v1/conversions", {"client": bob, "quote": given}),
        ("/v1/deposits", deposit(bob, "100.00") | {"quote": given}),
    )
    for path, body in writes:
        answer = shared.ask(CLIENT, path, body, whose=bob)

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (path, body)
    assert shared.house.book.head() == head


def test_a_client_lists_their_own_and_no_others(shared: Street) -> None:
    alice, bob = shared.register("EUR"), shared.register("EUR")
    for client in (alice, bob):
        paid = shared.pay_in(client, "50.00", "EUR")
        shared.do(CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"]), whose=client)
    head = shared.house.book.head()
    for path in ("/v1/deposits", "/v1/withdrawals"):
        found = shared.see(CLIENT, path, whose=alice, after=head)["items"]

        assert {item["client"] for item in found} == {alice}
    accounts = shared.see(CLIENT, "/v1/balances", whose=alice, after=head)["items"]
    assert accounts
    assert all(item["account"].endswith(alice) for item in accounts)
    everything = shared.see(FINANCE, "/v1/deposits", limit=500)["items"]
    assert {alice, bob} <= {item["client"] for item in everything}


def test_a_client_is_told_a_code_and_never_the_finding(shared: Street) -> None:
    client = shared.register("EUR")
    paid = shared.pay_in(client, "50.00", "EUR")
    shared.verify(client)
    asked = shared.do(CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"]), whose=client)
    revoked = {"decision": "revoke", "evidence_ref": "case:secret-7"}
    shared.do(Role.COMPLIANCE, f"/v1/kyc/{client}", revoked)
    held = shared.do(
        CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"], "5.00"), whose=client
    )
    shared.calm()
    head = shared.house.book.head()
    path = f"/v1/withdrawals/{asked['withdrawal']}"
    theirs = shared.look(CLIENT, path, whose=client, after=head)
    listed = shared.look(CLIENT, "/v1/withdrawals", whose=client, after=head)
    full = shared.see(Role.COMPLIANCE, path, after=head)

    assert theirs.json()["codes"] == held["codes"] == ["under_review"]
    assert any("revoked" in finding["internal"] for finding in full["findings"])
    for text in (theirs.text, listed.text, json.dumps(held)):
        assert "revoked" not in text
        assert "findings" not in text
        assert "internal" not in text


def _faceless(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "request_id"}


# --- approvals, freezes, rates


def test_a_withdrawal_above_the_threshold_takes_two_people(
    database: Database, tmp_path: Path
) -> None:
    with open_street(database, tmp_path, four_eyes_above={"EUR": 9_99}) as street:
        client = street.register("EUR")
        paid = street.pay_in(client, "50.00", "EUR")
        street.verify(client)
        asked = street.do(
            CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"]), whose=client
        )
        path = f"/v1/withdrawals/{asked['withdrawal']}/approve"
        first = street.do(OPERATIONS, path, subject="person:ana")
        same = street.ask(OPERATIONS, path, subject="person:ana")
        machine = street.ask(OPERATIONS, path)
        second = street.do(Role.COMPLIANCE, path, subject="person:ben")

        assert (asked["status"], first["status"], second["status"]) == ("held", "held", "cleared")
        assert same.json()["code"] == "same_person"
        assert (machine.status_code, machine.json()["code"]) == (403, "person_needed")


def test_a_withdrawal_is_taken_back_once_and_only_while_nothing_is_sent(street: Street) -> None:
    client = street.register("EUR")
    paid = street.pay_in(client, "50.00", "EUR")
    body = withdrawal(client, paid["deposit"])
    held = street.do(CLIENT, "/v1/withdrawals", body, whose=client)
    path = f"/v1/withdrawals/{held['withdrawal']}/cancel"
    done = street.do(CLIENT, path, whose=client)
    again = street.ask(CLIENT, path, whose=client)
    street.verify(client)
    sent = street.do(CLIENT, "/v1/withdrawals", body, whose=client)
    street.calm()
    late = street.ask(CLIENT, f"/v1/withdrawals/{sent['withdrawal']}/cancel", whose=client)

    assert done["status"] == "cancelled"
    assert again.json()["code"] == "withdrawal_ended"
    assert (late.status_code, late.json()["code"]) == (409, "payout_submitted")
    assert street.wallet(client, "EUR")["available"] == "40.00"


def test_a_frozen_wallet_lets_nothing_out_until_it_is_lifted(shared: Street) -> None:
    client = shared.register("EUR")
    paid = shared.pay_in(client, "50.00", "EUR")
    path = f"/v1/clients/{client}/freeze"
    freeze = {"currency": "EUR", "frozen": True, "reason": "case:1"}
    shared.do(Role.RISK, path, freeze, subject="person:eve")
    refused = shared.ask(
        CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"]), whose=client
    )
    shared.do(Role.RISK, path, freeze | {"frozen": False}, subject="person:eve")
    allowed = shared.ask(
        CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"]), whose=client
    )

    assert (refused.status_code, refused.json()["code"]) == (409, "wallet_frozen")
    assert allowed.status_code == 201


def test_a_quote_is_taken_once_by_who_it_was_given_to(shared: Street) -> None:
    client = shared.register("EUR")
    shared.pay_in(client, "250.00", "EUR")
    given = shared.do(CLIENT, "/v1/conversions/quotes", quote(client), whose=client)
    take = {"client": client, "quote": given["quote"]}
    done = shared.do(CLIENT, "/v1/conversions", take, whose=client)
    again = shared.ask(CLIENT, "/v1/conversions", take, whose=client)

    assert (done["sold"], done["bought"]) == (given["sold"], given["bought"])
    assert shared.wallet(client, "USD")["available"] == given["bought"]["amount"]
    assert shared.wallet(client, "EUR")["available"] == "150.00"
    assert again.json()["code"] == "quote_used"


def test_a_deposit_at_a_quote_is_credited_what_was_quoted(shared: Street) -> None:
    client = shared.register("USD")
    given = shared.do(CLIENT, "/v1/conversions/quotes", quote(client), whose=client)
    other = shared.ask(
        CLIENT, "/v1/deposits", deposit(client, "99.00") | {"quote": given["quote"]}, whose=client
    )
    announced = shared.announce(client, "100.00", "EUR", quote=given["quote"])
    shared.stripe.pay(announced["reference"])
    shared.calm()

    assert other.json()["code"] == "quote_amount"
    assert shared.wallet(client, "USD")["available"] == given["bought"]["amount"]


def test_a_published_rate_is_dealt_on_and_survives_a_restart(
    database: Database, tmp_path: Path
) -> None:
    price = {"base": "EUR", "quote": "KWD", "bid": "0.35100", "ask": "0.35300"}
    with open_street(database, tmp_path) as street:
        client = street.register("KWD")
        told = street.do(FINANCE, "/v1/rates", price)
        turned = price | {"base": "KWD", "quote": "EUR"}
        refused = street.ask(FINANCE, "/v1/rates", turned)
        crossed = street.ask(FINANCE, "/v1/rates", price | {"bid": "0.36000"})
        body = quote(client) | {"into": "KWD"}
        given = street.do(CLIENT, "/v1/conversions/quotes", body, whose=client)

        assert told["parked"] is False
        assert (refused.status_code, refused.json()["code"]) == (409, "quote_pair")
        assert (crossed.status_code, crossed.json()["code"]) == (409, "quote_crossed")
        # 100 EUR at the bid of 0.351, less 1 %.
        assert given["bought"] == {"amount": "34.749", "currency": "KWD"}
    with open_street(database, tmp_path) as street:
        body = quote(client) | {"into": "KWD"}
        assert (
            street.do(CLIENT, "/v1/conversions/quotes", body, whose=client)["bought"]
            == (given["bought"])
        )


# --- people's records, the log, and what is watched


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
    assert shared.http.get("/readyz").json() == {"status": "ready"}


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


def test_callers_that_leave_early_block_nobody(shared: Street) -> None:
    done = threading.Event()

    def hurry() -> None:
        for _ in range(5):
            with pytest.raises(Exception, match=r"timed out|TimeoutException|ReadTimeout"):
                shared.http.get(
                    "/v1/deposits",
                    params={"after": 2**62},
                    headers=shared.headers(FINANCE),
                    timeout=0.05,
                )
        done.set()

    hurry()
    assert done.is_set()
    assert shared.http.get("/readyz").status_code == 200
