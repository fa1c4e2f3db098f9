"""Quotes, exchanges between a client's wallets, and settlements to our bank."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from ledger.errors import Conflict, InsufficientFunds, NotFound, QuoteRefused
from ledger.wallet import freeze
from payments import conversion, quotes
from payments.facts import FundsConverted, QuoteAccepted, SettlementFailed
from payments.notices import SettlementStatus
from tests.support import NOON
from tests.unit.payments.world import CLIENT, ENTITY, OTHER, RATES, World, money, settled

Q1, Q2, X1, X2 = (UUID(int=n) for n in (1, 2, 3, 4))
FIVE_MINUTES = timedelta(minutes=5)


def offered(
    world: World, sold: str = "EUR 1000.00", into: str = "USD", quote_id: UUID = Q1
) -> None:
    asked = money(sold)
    world.do(
        quotes.give,
        quote_id,
        client=CLIENT,
        entity=ENTITY,
        sold=asked,
        into=into,
        quote=RATES[asked.currency, into],
        markup_bps=Decimal(100),
        valid_for=FIVE_MINUTES,
    )


def exchange(world: World, **changes: object) -> None:
    said = {"client": CLIENT, "entity": ENTITY, "quote_id": Q1, "at": NOON} | changes
    x = said.pop("x", X1)
    world.do(conversion.exchange, x, **said)  # type: ignore[arg-type]


def with_euro(amount: str = "EUR 1000.00") -> World:
    world = World()
    world.funded("d1", amount, "EUR")
    offered(world)
    return world


def test_an_exchange_moves_both_wallets_and_balances_per_currency() -> None:
    world = with_euro()
    exchange(world)
    assert world.wallet("EUR").available == 0
    assert world.wallet("USD").available == 1088_80
    assert world.balance("income:fx-markup", "USD") == 11_00
    assert world.balances()["fx:position", "EUR"] == -1000_00
    assert world.balances()["fx:position", "USD"] == 1099_80
    for booked in world.entries[-2:]:
        assert len({posting.currency for posting in booked.postings}) == 1
    world.check()


@pytest.mark.parametrize(
    ("sold", "into"), [("KWD 50.000", "USD"), ("JPY 15000", "USD"), ("EUR 3.33", "JPY")]
)
def test_an_exchange_between_other_decimals(sold: str, into: str) -> None:
    world = World()
    world.funded("d1", sold, money(sold).currency)
    offered(world, sold, into)
    exchange(world)
    (done,) = world.all(FundsConverted)
    assert done.conversion.bought + done.conversion.markup == done.conversion.at_source
    assert world.wallet(into).available == done.conversion.bought.minor
    world.check()


def test_refuses_more_than_there_is_and_the_quote_stays_unused() -> None:
    world = with_euro("EUR 999.99")
    with pytest.raises(InsufficientFunds):
        exchange(world)
    assert world.all(QuoteAccepted) == []
    world.funded("d2", "EUR 0.01", "EUR")
    exchange(world)
    assert world.wallet("EUR").available == 0


def test_a_quote_is_used_once_in_time_by_its_client() -> None:
    world = with_euro("EUR 2000.00")
    for changes, kind, code in (
        ({"client": OTHER}, NotFound, "no_such_quote"),
        ({"quote_id": Q2}, NotFound, "no_such_quote"),
        ({"entity": "acme-uk"}, NotFound, "no_such_quote"),
        ({"at": NOON + FIVE_MINUTES + timedelta(microseconds=1)}, QuoteRefused, "quote_expired"),
    ):
        with pytest.raises(kind) as refused:
            exchange(world, **changes)
        assert refused.value.public_code == code
    exchange(world, at=NOON + FIVE_MINUTES)
    with pytest.raises(Conflict) as used:
        exchange(world, x=X2)
    assert used.value.public_code == "quote_used"
    with pytest.raises(Conflict) as again:
        exchange(world)
    assert again.value.public_code == "conversion_exists"
    with pytest.raises(Conflict):
        offered(world)


def test_a_quote_never_outlives_its_source() -> None:
    world = World()
    ends = RATES["EUR", "USD"].valid_until
    late = ends - timedelta(minutes=1)
    world.do(
        quotes.give,
        Q1,
        client=CLIENT,
        entity=ENTITY,
        sold=money("EUR 1.00"),
        into="USD",
        quote=RATES["EUR", "USD"],
        markup_bps=Decimal(0),
        valid_for=FIVE_MINUTES,
        at=late,
    )
    assert world.state(quotes.quote_stream(Q1)).valid_until == ends


def test_a_frozen_wallet_sells_nothing() -> None:
    world = with_euro()
    world.do(freeze, ENTITY, CLIENT, "EUR", "court order")
    with pytest.raises(Conflict) as refused:
        exchange(world)
    assert refused.value.public_code == "wallet_frozen"
    assert world.wallet("EUR").available == 1000_00


# --- settlements ---


def test_a_settlement_is_booked_once_and_taken_back_when_it_fails() -> None:
    world = World()
    for status in (
        SettlementStatus.PENDING,
        SettlementStatus.IN_TRANSIT,
        SettlementStatus.UNKNOWN,
    ):
        world.tell(settled("po_1", "EUR 50.00", status))
    assert world.balances() == {}
    for _ in range(2):
        world.tell(settled("po_1", "EUR 50.00", SettlementStatus.PAID))
    assert world.balance("bank:client", "EUR") == 50_00
    for status in (SettlementStatus.FAILED, SettlementStatus.CANCELLED, SettlementStatus.PAID):
        world.tell(settled("po_1", "EUR 50.00", status, at=50))
    assert world.balances() == {}
    assert len(world.all(SettlementFailed)) == 1
    world.check()
