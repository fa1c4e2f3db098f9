"""Decisions over several packages: what a client was promised is what the deposit keeps to."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from api.decisions import announce
from api.house.settings import Settings
from clients.client import register
from clients.facts import Category
from payments import quotes
from payments.deposit import deposit_stream
from payments.facts import DepositConfirmed, DepositInitiated
from tests.support import NOON
from tests.unit.payments.world import (
    CLIENT,
    ENTITY,
    MERCHANT,
    RATES,
    World,
    deposit_of,
    money,
    paid,
)

QUOTE_ID = UUID(int=1)
GIVEN_FOR_S = 300


@pytest.fixture
def world() -> World:
    """A client who was offered a rate for five minutes; its source stands by it for a month."""
    world = World()
    world.do(
        register,
        CLIENT,
        ENTITY,
        residence="DE",
        category=Category.RETAIL,
        account_currency="USD",
        name_ref="crm:1",
    )
    world.do(
        quotes.give,
        QUOTE_ID,
        client=CLIENT,
        entity=ENTITY,
        sold=money("EUR 1000.00"),
        into="USD",
        quote=RATES["EUR", "USD"],
        markup_bps=Decimal(100),
        valid_for=timedelta(seconds=GIVEN_FOR_S),
    )
    asked = DepositInitiated(
        deposit=deposit_of("d1"),
        client=CLIENT,
        entity=ENTITY,
        provider=MERCHANT.provider,
        merchant_account=MERCHANT.name,
        method="card",
        amount=money("EUR 1000.00"),
        into="EUR",
    )
    world.do(announce, asked, QUOTE_ID, Settings().markup_of)
    return world


def test_a_deposit_keeps_the_end_of_the_quote_that_was_given(world: World) -> None:
    state = world.state(deposit_stream(deposit_of("d1")))
    assert state.quote == RATES["EUR", "USD"]
    assert state.quote_until == NOON + timedelta(seconds=GIVEN_FOR_S)


@pytest.mark.parametrize(("late_s", "converted"), [(0, True), (1, False)])
def test_money_received_after_the_given_quote_waits_for_another_rate(
    world: World, late_s: int, converted: bool
) -> None:
    world.tell(paid("d1", "EUR 1000.00", at=GIVEN_FOR_S + late_s), rate=False)
    (confirmed,) = world.all(DepositConfirmed)
    assert (confirmed.conversion is not None) is converted
    assert world.deposit_state("d1").waits_for_rate is not converted
