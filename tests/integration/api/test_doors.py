from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from api.identity.scopes import Role
from tests.integration.api.street import (
    Street,
    deposit,
    open_street,
    quote,
    withdrawal,
)

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.roles import Database

CLIENT, FINANCE, OPERATIONS = Role.CLIENT, Role.FINANCE, Role.OPERATIONS


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


def test_a_frozen_wallet_lets_nothing_out_until_two_people_lift_it(shared: Street) -> None:
    client = shared.register("EUR")
    paid = shared.pay_in(client, "50.00", "EUR")
    case = {"currency": "EUR", "reason": "case:1"}
    shared.do(Role.ENFORCEMENT, f"/v1/clients/{client}/freeze", case)
    refused = shared.ask(
        CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"]), whose=client
    )
    lift = f"/v1/clients/{client}/unfreeze"
    first = shared.do(Role.RISK, lift, case, subject="person:eve")
    still = shared.ask(CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"]), whose=client)
    same = shared.ask(Role.COMPLIANCE, lift, case, subject="person:eve")
    machine = shared.ask(Role.RISK, lift, case)
    enforcement = shared.ask(Role.ENFORCEMENT, lift, case, subject="person:max")
    second = shared.do(Role.COMPLIANCE, lift, case, subject="person:max")
    allowed = shared.ask(
        CLIENT, "/v1/withdrawals", withdrawal(client, paid["deposit"]), whose=client
    )

    assert (refused.status_code, refused.json()["code"]) == (409, "wallet_frozen")
    assert (first["frozen"], first["awaits_second_person"]) == (True, True)
    assert still.json()["code"] == "wallet_frozen"
    # One person under two tokens and two roles is one person.
    assert (same.status_code, same.json()["code"]) == (409, "same_person")
    assert machine.json()["code"] == "person_needed"
    assert enforcement.json()["code"] == "scope_missing"
    assert (second["frozen"], second["awaits_second_person"]) == (False, False)
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
        asked = street.do(FINANCE, "/v1/rates", price, subject="person:ann")
        body = quote(client) | {"into": "KWD"}
        early = street.do(CLIENT, "/v1/conversions/quotes", body, whose=client)
        same = street.ask(FINANCE, "/v1/rates", price, subject="person:ann")
        told = street.do(FINANCE, "/v1/rates", price | {"ask": "0.353"}, subject="person:ben")
        turned = price | {"base": "KWD", "quote": "EUR"}
        refused = street.ask(FINANCE, "/v1/rates", turned, subject="person:ann")
        crossed = street.ask(FINANCE, "/v1/rates", price | {"bid": "0.36000"}, subject="person:ann")
        given = street.do(CLIENT, "/v1/conversions/quotes", body, whose=client)

        assert (asked["waiting"], asked["quoted_at"]) == (True, None)
        assert early["bought"] != given["bought"], "one person's price is not dealt on"
        assert (same.status_code, same.json()["code"]) == (409, "same_person")
        assert (told["waiting"], told["parked"]) == (False, False)
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


def test_a_price_outside_the_band_takes_two_people(database: Database, tmp_path: Path) -> None:
    price = {"base": "EUR", "quote": "USD", "bid": "1.50000", "ask": "1.50040"}
    with open_street(database, tmp_path, rate_band_bps="500") as street:
        client = street.register("EUR")
        first = street.do(FINANCE, "/v1/rates", price, subject="person:ann")
        shut = street.ask(CLIENT, "/v1/conversions/quotes", quote(client), whose=client)
        same = street.ask(FINANCE, "/v1/rates", price, subject="person:ann")
        street.clock.advance(timedelta(seconds=1))
        other = street.do(FINANCE, "/v1/rates", price | {"bid": "1.49"}, subject="person:ben")
        street.clock.advance(timedelta(seconds=1))
        second = street.do(FINANCE, "/v1/rates", price | {"bid": "1.49"}, subject="person:ann")
        given = street.do(CLIENT, "/v1/conversions/quotes", quote(client), whose=client)

        assert (first["parked"], other["parked"], second["parked"]) == (True, True, False)
        assert shut.json()["code"] == "quote_out_of_band"
        assert (same.status_code, same.json()["code"]) == (409, "same_person")
        # 100 EUR at the bid of 1.49, less 1 %.
        assert given["bought"] == {"amount": "147.51", "currency": "USD"}
    with open_street(database, tmp_path, rate_band_bps="500") as street:
        street.clock.advance(timedelta(seconds=2))
        again = street.do(CLIENT, "/v1/conversions/quotes", quote(client), whose=client)
        assert again["bought"] == given["bought"]
