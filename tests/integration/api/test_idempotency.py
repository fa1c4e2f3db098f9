from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import api.house.front
from api.identity.scopes import Role
from tests.integration.api.street import Street, deposit, open_street, quote

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.roles import Database

CLIENT, FINANCE, OPERATIONS = Role.CLIENT, Role.FINANCE, Role.OPERATIONS


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
    assert (anew.status_code, anew.json()["code"]) == (409, "quote_market_closed")


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


def test_a_position_that_is_not_in_the_log_is_not_waited_for(shared: Street) -> None:
    client = shared.register("EUR")
    answer = shared.look(CLIENT, f"/v1/clients/{client}/wallets", whose=client, after=2**62)

    assert (answer.status_code, answer.json()["code"]) == (503, "not_yet")
    assert answer.json()["retry"]
    assert answer.headers["retry-after"] == "1"


def test_a_position_that_is_not_folded_in_time_is_told_so(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.house.front, "WAIT_S", 0.05)
    with open_street(database, tmp_path, folding=False) as street:
        client = street.register("EUR")
        path, after = f"/v1/clients/{client}/wallets", street.house.book.head()
        early = street.look(CLIENT, path, whose=client, after=after)
        unasked = street.look(CLIENT, path, whose=client)
        street.house.runner.catch_up()
        monkeypatch.undo()
        late = street.look(CLIENT, path, whose=client, after=after)

    assert (early.status_code, early.json()["code"]) == (503, "not_yet")
    assert unasked.status_code == 404, "without `after` nothing is waited for"
    assert late.json() == {"client": client, "wallets": []}
