"""Opening a payment at the provider, and converting money that waited for a rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import InvalidInput
from payments import deposit_conversion, inbox
from payments.deposit import claim, deposit_stream
from payments.deposit_notices import answer_declined, answer_uncertain
from payments.ports import Accepted, Declined, Unknown
from payments.reactors.notices import apply
from payments.reactors.payouts import may_repeat

if TYPE_CHECKING:
    from ledger.decision import Decision
    from ledger.ids import DepositId
    from payments.reactors.desk import Desk
    from payments.reactors.outstanding import Call


def open_payment(desk: Desk, deposit: DepositId, attempt: int) -> str | None:
    """Claim the attempt, then create the payment. Returns the client's token, never stored.

    Only the worker whose claim stands in the log calls; the provider's key is derived from the
    book, the deposit and the attempt, so that a repeated call is one payment.
    """
    state = desk.book.state(deposit_stream(deposit))
    provider = desk.providers[state.provider, state.merchant_account]
    receipt = desk.act(
        lambda decision: claim(decision, deposit, attempt),
        *("open-payment", str(deposit), str(attempt)),
        names=(deposit_stream(deposit),),
    )
    if receipt.replayed:
        return None
    answer = provider.create_payment(
        deposit=deposit,
        amount=state.amount,
        idempotency_key=f"{desk.book.entity}-deposit-{deposit}-{attempt}",
    )
    match answer:
        case Accepted(notice, client_token):
            apply(desk, provider, notice, None, receipt.position)
            return client_token
        case Declined(code, _, may_retry=False):
            desk.act(
                lambda decision: answer_declined(decision, deposit, code),
                why=receipt.position,
            )
        case Declined(_, detail) | Unknown(detail):
            desk.act(
                lambda decision: answer_uncertain(decision, deposit, attempt, detail),
                why=receipt.position,
            )
    return None


def look_up(desk: Desk, deposit: DepositId, call: Call) -> None:
    """Ask what became of an uncertain call; repeat it only when its absence is proven."""
    provider = desk.providers[call.merchant]
    answer = provider.find_payment(deposit, created_after=call.since)
    if isinstance(answer, Accepted) and answer.notice is not None:
        apply(desk, provider, answer.notice, None, call.cause)
    elif isinstance(answer, Accepted) and may_repeat(desk, deposit_stream(deposit), call):
        open_payment(desk, deposit, call.attempts + 1)


def ask_after(desk: Desk, deposit: DepositId, call: Call) -> None:
    """Retrieve a payment of which nothing was heard: its webhook may be lost."""
    reference = desk.book.state(deposit_stream(deposit)).reference
    if reference is None:
        return
    provider = desk.providers[call.merchant]
    answer = provider.retrieve_payment(reference)
    if isinstance(answer, Accepted):
        apply(desk, provider, answer.notice, None, call.cause)


def convert_waiting(desk: Desk, deposit: DepositId, why: int) -> None:
    """Convert money that waits, if a rate passes policy by now."""
    state = desk.book.state(deposit_stream(deposit))
    now = desk.clock()
    rate = desk.rate(state.amount, state.into, now)
    if rate is None:
        return

    def decide(decision: Decision) -> None:
        deposit_conversion.convert_waiting(decision, deposit, rate)
        inbox.rebalance(decision, deposit, at=now)

    try:
        desk.act(decide, why=why, names=(deposit_stream(deposit),))
    except InvalidInput:
        # Less than a minor unit of the account currency: it stays where it is shown.
        return
