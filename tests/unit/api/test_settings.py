"""Settings: what they say is what is dealt on, and what cannot be served with is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from api.decisions import announce
from api.house.settings import MerchantSettings, Settings, SettingsRefused, load
from clients.client import register
from clients.facts import Category
from ledger.ids import DepositId
from payments.deposit import deposit_stream
from payments.facts import DepositInitiated
from tests.unit.payments.world import CLIENT, ENTITY, MERCHANT, World, deposit_of, money

PRICED = Settings(pair_markup_bps={"EUR/USD": Decimal(25)})


def test_a_pair_has_its_own_markup_whichever_way_round() -> None:
    assert PRICED.markup_of("EUR", "USD") == Decimal(25)
    assert PRICED.markup_of("USD", "EUR") == Decimal(25)


def test_control_another_pair_takes_the_general_markup() -> None:
    assert PRICED.markup_of("GBP", "USD") == PRICED.markup_bps == Decimal(100)


@pytest.mark.parametrize(("amount", "markup"), [("EUR 10.00", 25), ("GBP 10.00", 100)])
def test_a_deposit_is_announced_with_the_markup_of_its_pair(amount: str, markup: int) -> None:
    world = World()
    world.do(
        register,
        CLIENT,
        ENTITY,
        residence="CY",
        category=Category.RETAIL,
        account_currency="USD",
        name_ref="crm:1",
    )
    deposit: DepositId = deposit_of("d1")
    asked = DepositInitiated(
        deposit=deposit,
        client=CLIENT,
        entity=ENTITY,
        provider=MERCHANT.provider,
        merchant_account=MERCHANT.name,
        method="card",
        amount=money(amount),
        into="USD",
    )
    world.do(announce, asked, None, PRICED.markup_of)
    assert world.state(deposit_stream(deposit)).markup_bps == markup


def test_sandbox_rates_are_refused_beside_a_live_account() -> None:
    live = MerchantSettings(name="stripe-eu", bank="eurobank", live=True)
    with pytest.raises(SettingsRefused):
        load(environ={}, merchants=(live,), rates="sandbox")
    assert load(environ={}, merchants=(live,)).rates == "broker"
