"""The rate at which a deposit becomes the account currency, and what waits until there is one.

The accepted quote holds until its end; after it, the rate of the provider's time. Received money
is never refused: without a rate it waits in `client:unconverted`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.chart import client_account
from ledger.errors import Refusal
from ledger.facts import WalletCredited
from ledger.fx import Conversion, Quote, convert
from ledger.money import Money
from ledger.wallet import open_wallet, record
from payments import bookings, facts
from payments.deposit import deposit_stream, require_deposit

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.decision import Decision
    from ledger.ids import DepositId
    from payments.deposit import DepositState
    from payments.notices import PaymentNotice


def quote_needed(state: DepositState, notice: PaymentNotice) -> bool:
    """Whether confirming this payment needs a rate beyond the accepted quote."""
    return state.amount.currency != state.into and not state.quote_holds(notice.happened_at)


def conversion_at(
    state: DepositState, notice: PaymentNotice, rate: Quote | None
) -> Conversion | None:
    """Convert at the accepted quote while it holds, else at `rate`; None where there is neither."""
    if state.amount.currency == state.into:
        return None
    quote = state.quote if state.quote_holds(notice.happened_at) else rate
    if quote is None:
        return None
    try:
        return convert(state.amount, state.into, quote, state.markup_bps)
    except Refusal:
        # Received money is never refused: what cannot be converted now waits (a rate of another
        # pair, or less than one minor unit of the account currency).
        return None


def convert_waiting(
    decision: Decision, deposit: DepositId, rate: Quote, *, at: datetime | None = None
) -> None:
    """Convert money that waits in `client:unconverted`, at a rate that passes policy."""
    state = require_deposit(decision, deposit)
    if not state.waits_for_rate:
        return
    left = state.amount - Money(state.clawed_total, state.amount.currency)
    if left.is_zero:
        return
    conversion = convert(left, state.into, rate, state.markup_bps)
    waiting = client_account(state.entity, "client:unconverted", state.client)
    stream = deposit_stream(deposit)
    decision.record(stream, facts.DepositConverted(deposit=deposit, conversion=conversion), at=at)
    purse = open_wallet(decision, state.entity, state.client, state.into)
    moved = bookings.deposit_credited(purse, waiting, left, conversion, "deposit converted")
    record(decision, purse, WalletCredited(cause=deposit, entry=moved), at=at)
