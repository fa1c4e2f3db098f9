"""A payout that came to nothing: the money is the client's again, the charge may be refunded anew.

It waits in `client:returned` and reaches the wallet when the client may be credited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.chart import Account, client_account
from ledger.facts import EntryPosted, WalletCredited
from ledger.wallet import open_wallet, record
from payments import bookings, facts
from payments.deposit import deposit_stream
from payments.payout import payout_stream, require_payout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ledger.decision import Decision
    from ledger.finding import Gate
    from ledger.ids import PayoutId


def fail(decision: Decision, payout: PayoutId, reason: str, *, at: datetime) -> None:
    """The provider never paid it: the money waits as returned."""
    state = require_payout(decision, payout)
    decision.record(
        payout_stream(payout), facts.PayoutFailed(payout=payout, reason=reason, seen_at=at), at=at
    )
    moved = bookings.payout_failed(state.entity, state.client, state.amount)
    decision.record(payout_stream(payout), EntryPosted(cause=payout, entry=moved), at=at)
    _restore_cap(decision, payout, at=at)


def came_back(decision: Decision, payout: PayoutId, *, at: datetime) -> None:
    """Paid money is at the provider again: it waits as returned."""
    state = require_payout(decision, payout)
    moved = bookings.payout_came_back(
        state.entity, state.client, state.route.merchant_account, state.amount
    )
    decision.record(payout_stream(payout), EntryPosted(cause=payout, entry=moved), at=at)
    _restore_cap(decision, payout, at=at)


def _restore_cap(decision: Decision, payout: PayoutId, *, at: datetime) -> None:
    state = require_payout(decision, payout)
    if state.route.deposit is not None:
        decision.record(
            deposit_stream(state.route.deposit),
            facts.RefundRestored(deposit=state.route.deposit, payout=payout, amount=state.amount),
            at=at,
        )


def credit_return(decision: Decision, payout: PayoutId, gates: Sequence[Gate]) -> None:
    """Move returned money into the wallet, if the client may be credited now."""
    state = require_payout(decision, payout)
    if not state.waits_to_credit:
        return
    if gates and all(gate(decision, state.client).clear for gate in gates):
        credit(decision, payout)


def credit(decision: Decision, payout: PayoutId) -> None:
    """Move returned money into the wallet it left, at the conversion with which it left."""
    state = require_payout(decision, payout)
    decision.record(payout_stream(payout), facts.ReturnCredited(payout=payout))
    returned = client_account(state.entity, "client:returned", state.client)
    _give_back(decision, payout, returned, at=decision.at)


def _give_back(decision: Decision, payout: PayoutId, source: Account, *, at: datetime) -> None:
    state = require_payout(decision, payout)
    purse = open_wallet(decision, state.entity, state.client, state.held.currency)
    moved = bookings.payout_reversed(purse, source, state.amount, state.held, state.conversion)
    record(decision, purse, WalletCredited(cause=payout, entry=moved), at=at)
