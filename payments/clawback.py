"""Taking a deposit back from the client: refunds that we did not start, and lost disputes.

What the client was credited for a part of a deposit is computed from the total clawed back so
far, so any order of partial claw-backs takes the same in all, to the minor unit.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ledger.chart import Account, client_account, house_account
from ledger.facts import ContestCharged, EntryPosted, WalletCredited, WalletDebited
from ledger.journal import Posting
from ledger.money import Money, Rounding, share, to_minor
from ledger.wallet import (
    WalletState,
    charge_legs,
    claim_legs,
    credit_legs,
    open_wallet,
    record,
)
from payments import bookings
from payments.deposit import DepositState, DepositStatus, deposit_stream, require_deposit
from payments.facts import DepositChargedBack

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.decision import Decision, Fact
    from ledger.ids import DepositId
    from ledger.journal import Entry


def can_claw_back(state: DepositState) -> bool:
    """Whether the deposit's money is in the books, so that it can be taken back."""
    return state.status in {DepositStatus.CONFIRMED, DepositStatus.SUSPENDED}


def credited_for(state: DepositState, clawed: int) -> tuple[Money, Money]:
    """What the client got for this much of the deposit, and the markup earned on it.

    Negative where money that went back before the conversion is here again: it was never
    credited, and is now, at the deposit's own conversion.

    Args:
        clawed: minor units of the deposit's currency, counted from the first that went back.
    """
    if state.conversion is None:
        return Money(clawed, state.amount.currency), Money.zero(state.amount.currency)
    c = state.conversion
    part = Fraction(clawed - (state.amount.minor - c.sold.minor), c.sold.minor)
    at_source, _ = to_minor(c.at_source.exact() * part, c.at_source.currency, Rounding.HALF_EVEN)
    credited, _ = to_minor(c.bought.exact() * part, c.bought.currency, Rounding.HALF_EVEN)
    return credited, at_source - credited


def disputed_share(state: DepositState, disputed: Money) -> Money:
    """What to hold of the client's for a disputed amount: pro rata, or all where unclear."""
    left = state.amount.minor - state.clawed_total
    same = disputed.currency == state.amount.currency
    minor = min(disputed.minor, left) if same else left
    if state.conversion is None:
        return Money(minor, state.amount.currency)
    sold = state.conversion.sold.minor
    return share(state.conversion.bought, min(minor, sold), sold, Rounding.HALF_EVEN)


def claw_back(
    decision: Decision,
    deposit: DepositId,
    *,
    cause: UUID,
    total: int,
    counter: Account,
    taken: Money,
    dispute: UUID | None,
    at: datetime,
) -> None:
    """Make what one cause takes back add up to `total`, and book the difference.

    The causes together never take more of the client than the deposit; what the provider takes
    beyond that stays with the house.

    Args:
        cause: the dispute, or the deposit itself for its refunds.
        total: minor units of the deposit's currency that this cause takes in all.
        counter: where the provider's side waits.
        taken: what the provider took since the last time, in its currency; negative: gave back.
        dispute: the dispute whose contested money goes first.
    """
    state = require_deposit(decision, deposit)
    before, stream = state.clawed_total, deposit_stream(deposit)
    if total == state.clawed.get(cause, 0) and taken.is_zero:
        return
    decision.record(
        stream,
        DepositChargedBack(deposit=deposit, cause=cause, total=Money(total, state.amount.currency)),
        at=at,
    )
    after = require_deposit(decision, deposit).clawed_total
    if not state.is_credited:
        moved = _from_waiting(state, after - before, counter, taken)
        decision.record(stream, EntryPosted(cause=cause, entry=moved), at=at)
        return
    was, was_markup = credited_for(state, before)
    now, now_markup = credited_for(state, after)
    credited, markup = now - was, now_markup - was_markup
    purse = open_wallet(decision, state.entity, state.client, credited.currency)
    income = house_account(state.entity, "income:fx-markup")
    house = [Posting(income, markup.currency, markup.minor)]
    legs, text = _client_side(purse, credited, dispute)
    moved = bookings.clawed_back(state.entity, legs, house, counter, taken, text)
    if credited.is_zero:
        decision.record(stream, EntryPosted(cause=cause, entry=moved), at=at)
        return
    record(decision, purse, _wallet_fact(credited, cause, dispute, moved), at=at)


def _from_waiting(state: DepositState, minor: int, counter: Account, taken: Money) -> Entry:
    """Take from what waits for a rate or for a person."""
    kind = "unconverted" if state.status is DepositStatus.CONFIRMED else "suspense"
    waiting = client_account(state.entity, f"client:{kind}", state.client)
    client_side = [Posting(waiting, state.amount.currency, minor)]
    text = "taken back before it was credited"
    return bookings.clawed_back(state.entity, client_side, [], counter, taken, text)


def _wallet_fact(credited: Money, cause: UUID, dispute: UUID | None, moved: Entry) -> Fact:
    if credited.minor < 0:
        return WalletCredited(cause=cause, entry=moved)
    if dispute is not None:
        return ContestCharged(dispute=dispute, entry=moved)
    return WalletDebited(cause=cause, entry=moved)


def _client_side(
    purse: WalletState, credited: Money, dispute: UUID | None
) -> tuple[list[Posting], str]:
    if credited.minor < 0:
        return credit_legs(purse, -credited), "given back to the client"
    if dispute is not None:
        return charge_legs(purse, dispute, credited), "dispute lost"
    return claim_legs(purse, credited), "refunded by the provider"
