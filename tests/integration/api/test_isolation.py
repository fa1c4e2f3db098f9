from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from api.identity.scopes import Role
from tests.integration.api.street import (
    ENTITY,
    NOBODY,
    Street,
    deposit,
    quote,
    withdrawal,
)

if TYPE_CHECKING:
    pass

CLIENT, FINANCE, OPERATIONS = Role.CLIENT, Role.FINANCE, Role.OPERATIONS


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
