"""One day of provider events, in twenty orders between the same client commands: the same books.

Every order but the first also doubles a third of the messages.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ledger.chart import client_account
from ledger.journal import credit
from payments import bookings
from tests.simulation.play import Play, playing

if TYPE_CHECKING:
    from ledger.journal import Posting
    from ledger.money import Money
    from ledger.wallet import WalletState

ORDERS = 20


def _play(order: int) -> tuple[dict[tuple[str, str], int], Play]:
    with playing(order) as day:
        _script(day)
        return day.books(), day


def _script(day: Play) -> None:
    sim = day.sim
    day.client_comes()
    euro = day.deposit(1, "1000.00", "EUR")
    dollar = day.deposit(2, "400.00", "USD")
    yen = day.deposit(3, "50000", "JPY")
    sim.pay(euro, "declined")
    for intent in (euro, dollar):
        sim.pay(intent)
        day.clock.advance(timedelta(seconds=7))
    day.segment()

    refund = day.withdraw(110, "500.00", day.to_card(1, "EUR"))
    outbound = day.withdraw(111, "900.00", day.to_bank("EUR"))

    # The dollars are disputed and lost with the wallet nearly empty; the yen come at any moment.
    dispute = sim.open_dispute(_charge(day, 2))
    day.clock.advance(timedelta(seconds=9))
    sim.close_dispute(dispute["id"], "lost")
    day.clock.advance(timedelta(seconds=9))
    sim.pay(yen)
    sim.refund_by_hand(yen, 20_000)
    day.clock.advance(timedelta(seconds=9))
    sim.fail_refund(refund)
    sim.post_outbound(outbound)
    day.clock.advance(timedelta(seconds=9))
    sim.return_outbound(outbound)
    other = sim.open_dispute(_charge(day, 1), amount=30_000)
    day.clock.advance(timedelta(seconds=9))
    sim.close_dispute(other["id"], "won")
    for payout in sim.settle(early=True):
        sim.pay_settlement(payout["id"])
    day.segment()


def _charge(day: Play, number: int) -> str:
    charge = day.deposit_state(number).charge
    assert charge is not None
    return charge


def test_twenty_orders_of_a_days_events_give_the_same_books() -> None:
    expected, _ = _play(0)
    assert len(expected) > 6
    for order in range(1, ORDERS + 1):
        books, day = _play(order)
        assert books == expected, f"order {order}"
        assert not day.see.parked
        assert not day.see.notices
        assert day.book.verify().problem is None


def test_control_without_set_off_the_books_break(monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(state: WalletState, amount: Money) -> list[Posting]:
        return [credit(client_account(state.entity, "client:wallet", state.client), amount)]

    monkeypatch.setattr(bookings, "credit_legs", naive)
    with pytest.raises(AssertionError):
        test_twenty_orders_of_a_days_events_give_the_same_books()
