from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from api.identity.scopes import Role
from tests.integration.api.street import to_bank

if TYPE_CHECKING:
    from tests.integration.api.street import Street

FINANCE, CLIENT = Role.FINANCE, Role.CLIENT
TEN_DAYS_S = 10 * 24 * 3600


def test_a_deposit_is_paid_converted_credited_withdrawn_and_charged_back(street: Street) -> None:
    client = street.register("USD")

    paid = _pays_in_euro_and_is_credited_in_dollar(street, client)
    credited = Decimal(paid["credited"]["amount"])
    _withdraws_once_verified(street, client, credited)
    _is_charged_back_and_owes_what_is_gone(street, client, paid["charge"], credited)

    _the_books_hold(street, client)


def _pays_in_euro_and_is_credited_in_dollar(street: Street, client: str) -> Any:
    announced = street.announce(client, "1000.00", "EUR")
    assert announced["status"] == "initiated"
    assert announced["client_token"].startswith(announced["reference"])
    street.stripe.pay(announced["reference"])
    street.calm()
    found = street.see(
        FINANCE, f"/v1/deposits/{announced['deposit']}", after=street.house.book.head()
    )
    assert found["status"] == "confirmed"
    assert found["received"] == {"amount": "1000.00", "currency": "EUR"}
    assert found["credited"] == {
        "amount": street.wallet(client, "USD")["available"],
        "currency": "USD",
    }
    return found


def _withdraws_once_verified(street: Street, client: str, credited: Decimal) -> None:
    body = {
        "client": client,
        "amount": "200.00",
        "currency": "USD",
        "route": to_bank(*street.stripe.add_recipient(), "USD"),
    }
    asked = street.do(CLIENT, "/v1/withdrawals", body, whose=client)
    assert (asked["status"], asked["codes"]) == ("held", ["documents_needed"])
    street.calm()
    wallet = street.wallet(client, "USD")
    assert (wallet["held"], Decimal(wallet["available"])) == ("200.00", credited - 200)
    street.verify(client)
    street.calm()
    path = f"/v1/withdrawals/{asked['withdrawal']}"
    sent = street.see(FINANCE, path, after=street.house.book.head())
    assert (sent["status"], sent["codes"]) == ("sent", [])
    assert street.wallet(client, "USD")["in_transit"] == "200.00"
    street.stripe.post_outbound(sent["reference"])
    street.calm()
    settled = street.see(CLIENT, path, whose=client, after=street.house.book.head())
    assert settled["status"] == "settled"
    wallet = street.wallet(client, "USD")
    assert (wallet["held"], wallet["in_transit"]) == ("0.00", "0.00")


def _is_charged_back_and_owes_what_is_gone(
    street: Street, client: str, charge: str, credited: Decimal
) -> None:
    dispute = street.stripe.open_dispute(charge)
    street.calm()
    (queued,) = _queue(street)
    assert (queued["phase"], queued["seconds_left"]) == ("open", TEN_DAYS_S)
    assert queued["withdrawn"] == [{"amount": "1000.00", "currency": "EUR"}]
    assert Decimal(street.wallet(client, "USD")["held"]) == credited - 200
    street.stripe.close_dispute(dispute["id"], "lost")
    street.calm()
    wallet = street.wallet(client, "USD")
    assert (wallet["available"], wallet["held"], wallet["owed"]) == ("0.00", "0.00", "200.00")
    assert _queue(street) == []


def _queue(street: Street) -> Any:
    return street.see(Role.CRM, "/v1/disputes", after=street.house.book.head())["items"]


def _the_books_hold(street: Street, client: str) -> None:
    trial = street.see(FINANCE, "/v1/trial-balance", after=street.house.book.head())
    assert trial["balanced"]
    assert {line["amount"] for line in trial["sums"]} == {"0.00"}
    day = timedelta(days=1)
    span = {
        "client": client,
        "currency": "USD",
        "from": (street.clock() - day).isoformat(),
        "to": (street.clock() + day).isoformat(),
    }
    statement = street.see(CLIENT, "/v1/statements", whose=client, **span)
    assert (statement["opening"], statement["closing"]) == ("0.00", "0.00")
    assert statement["lines"][-1]["balance"] == statement["closing"]
    assert street.house.book.verify().problem is None
    assert street.house.access.verify().problem is None
