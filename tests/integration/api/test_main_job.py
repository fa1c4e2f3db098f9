from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from api.scopes import Role

if TYPE_CHECKING:
    from tests.integration.api.street import Street

FINANCE, CLIENT, OPERATIONS = Role.FINANCE, Role.CLIENT, Role.OPERATIONS


def test_a_deposit_is_paid_converted_credited_withdrawn_and_charged_back(street: Street) -> None:
    client = street.register("USD")

    # Paid in euro, told by webhook, credited in dollar.
    announced = street.announce(client, "1000.00", "EUR")
    assert announced["status"] == "initiated"
    assert announced["client_token"].startswith(announced["reference"])
    street.stripe.pay(announced["reference"])
    street.calm()
    found = street.see(
        FINANCE, f"/v1/deposits/{announced['deposit']}", after=street.house.book.head()
    )
    assert (found["status"], found["received"]) == (
        "confirmed",
        {"amount": "1000.00", "currency": "EUR"},
    )
    credited = Decimal(found["credited"]["amount"])
    assert found["credited"]["currency"] == "USD"
    assert Decimal(street.wallet(client, "USD")["available"]) == credited

    # Withdrawn: held until the client is verified, then cleared, paid and settled.
    recipient, method = street.stripe.add_recipient()
    to_bank = {
        "kind": "bank",
        "recipient": recipient,
        "method": method,
        "provider": "stripe",
        "merchant_account": "stripe-eu",
        "currency": "USD",
    }
    asked = street.do(
        CLIENT,
        "/v1/withdrawals",
        {"client": client, "amount": "200.00", "currency": "USD", "route": to_bank},
        whose=client,
    )
    assert (asked["status"], asked["codes"]) == ("held", ["documents_needed"])
    street.calm()
    wallet = street.wallet(client, "USD")
    assert (wallet["held"], Decimal(wallet["available"])) == ("200.00", credited - 200)
    street.verify(client)
    street.calm()
    path = f"/v1/withdrawals/{asked['withdrawal']}"
    sent = street.see(FINANCE, path, after=street.house.book.head())
    assert sent["status"] == "sent"
    assert street.wallet(client, "USD")["in_transit"] == "200.00"
    street.stripe.post_outbound(sent["reference"])
    street.calm()
    assert street.see(CLIENT, path, whose=client, after=street.house.book.head())["status"] == (
        "settled"
    )
    wallet = street.wallet(client, "USD")
    assert (wallet["held"], wallet["in_transit"]) == ("0.00", "0.00")

    # Charged back: held while it is open, charged when it is lost; what is short is owed.
    dispute = street.stripe.open_dispute(found["charge"])
    street.calm()
    (queued,) = street.see(Role.CRM, "/v1/disputes", after=street.house.book.head())["items"]
    assert (queued["phase"], queued["seconds_left"]) == ("open", 10 * 24 * 3600)
    assert queued["withdrawn"] == [{"amount": "1000.00", "currency": "EUR"}]
    assert Decimal(street.wallet(client, "USD")["held"]) == credited - 200
    street.stripe.close_dispute(dispute["id"], "lost")
    street.calm()
    wallet = street.wallet(client, "USD")
    assert (wallet["available"], wallet["held"], wallet["owed"]) == ("0.00", "0.00", "200.00")
    assert street.see(Role.CRM, "/v1/disputes", after=street.house.book.head())["items"] == []

    _books_hold(street, client)


def _books_hold(street: Street, client: str) -> None:
    head = street.house.book.head()
    trial = street.see(FINANCE, "/v1/trial-balance", after=head)
    assert trial["balanced"]
    assert {line["amount"] for line in trial["sums"]} == {"0.00"}
    now = street.clock()
    statement = street.see(
        CLIENT,
        "/v1/statements",
        whose=client,
        **{
            "client": client,
            "currency": "USD",
            "from": (now - timedelta(days=1)).isoformat(),
            "to": (now + timedelta(days=1)).isoformat(),
        },
    )
    assert (statement["opening"], statement["closing"]) == ("0.00", "0.00")
    assert statement["lines"][-1]["balance"] == statement["closing"]
    assert street.house.book.verify().problem is None
    assert street.house.access.verify().problem is None
