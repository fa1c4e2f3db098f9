from __future__ import annotations

from typing import TYPE_CHECKING

from api.identity.scopes import Role
from tests.integration.api.street import deposit, quote

if TYPE_CHECKING:
    from tests.integration.api.street import Street

CLIENT = Role.CLIENT


def test_an_id_of_another_kind_of_thing_names_nothing_and_spoils_nothing(street: Street) -> None:
    client = street.register("EUR")
    announced = street.announce(client, "100.00", "EUR")
    given = street.do(CLIENT, "/v1/conversions/quotes", quote(client), whose=client)["quote"]
    mixed = (
        ("/v1/conversions", {"client": client, "quote": client}),
        ("/v1/conversions", {"client": client, "quote": announced["deposit"]}),
        ("/v1/deposits", deposit(client) | {"quote": announced["deposit"]}),
        (f"/v1/withdrawals/{announced['deposit']}/cancel", None),
        (f"/v1/withdrawals/{client}/cancel", None),
        (f"/v1/withdrawals/{given}/cancel", None),
    )
    for path, body in mixed:
        answer = street.ask(CLIENT, path, body, whose=client)

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    street.stripe.pay(announced["reference"])
    street.calm()
    taken = street.do(CLIENT, "/v1/conversions", {"client": client, "quote": given}, whose=client)

    assert street.wallet(client, "EUR")["available"] == "0.00"
    assert street.wallet(client, "USD")["available"] == taken["bought"]["amount"]
    assert street.house.book.verify().problem is None
