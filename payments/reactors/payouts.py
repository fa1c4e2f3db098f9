"""Paying out: submit what is cleared, call once, and look before anything is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.errors import Conflict, InvalidInput
from payments import inbox, payout_return
from payments import payout as payouts
from payments import withdrawal as withdrawals
from payments.deposit import deposit_stream
from payments.facts import ReviewOpened, RouteKind
from payments.payout import PayoutPhase, payout_stream
from payments.payout_notices import answer_declined, answer_uncertain
from payments.ports import Accepted, Declined, MatchResult, Recipient, Unknown
from payments.reactors.notices import apply
from payments.withdrawal import WithdrawalStatus, withdrawal_stream

if TYPE_CHECKING:
    from ledger.decision import Decision, Stream
    from ledger.ids import DepositId, PayoutId, WithdrawalId
    from payments.payout import PayoutState
    from payments.ports import Answer, PayoutNotice, RefundNotice
    from payments.reactors.desk import Desk, FullProvider
    from payments.reactors.outstanding import Call


def rejudge(desk: Desk, withdrawal: WithdrawalId, why: int) -> None:
    """Ask the gates again: something that can open or close one has happened."""

    def decide(decision: Decision) -> None:
        withdrawals.judge(decision, withdrawal, desk.gates, desk.four_eyes_above)

    desk.act(decide, why=why, names=(withdrawal_stream(withdrawal),))


def expire(desk: Desk, withdrawal: WithdrawalId) -> None:
    """End a withdrawal that waited too long."""
    try:
        desk.act(
            lambda decision: withdrawals.expire(decision, withdrawal), "expire", str(withdrawal)
        )
    except Conflict:
        # It was submitted or ended a moment ago: that stands.
        return


def submit(desk: Desk, withdrawal: WithdrawalId, why: int) -> None:
    """Capture the hold of a cleared withdrawal and record the intent to pay."""
    state = desk.book.state(withdrawal_stream(withdrawal))
    if state.status is not WithdrawalStatus.CLEARED:
        return
    now, into = desk.clock(), state.route.currency
    rate = desk.rate(state.amount, into, now)
    if rate is None and into != state.amount.currency:
        return

    def decide(decision: Decision) -> None:
        payouts.submit(decision, withdrawal, desk.gates, desk.four_eyes_above, rate)
        if state.route.deposit is not None:
            inbox.rebalance(decision, state.route.deposit, at=now)

    try:
        desk.act(decide, why=why, names=(withdrawal_stream(withdrawal),))
    except (Conflict, InvalidInput) as refusal:
        # The charge no longer takes it, or it is dust: the client keeps the money and is told.
        reason = refusal.public_code
        desk.act(lambda decision: withdrawals.reject(decision, withdrawal, reason), why=why)


def call(desk: Desk, payout: PayoutId, attempt: int) -> None:
    """Claim the attempt, then call the provider; only the claimant calls."""
    state = desk.book.state(payout_stream(payout))
    provider = desk.providers[state.route.provider, state.route.merchant_account]
    receipt = desk.act(
        lambda decision: payouts.claim(decision, payout, attempt),
        *("pay", str(payout), str(attempt)),
        names=(payout_stream(payout),),
    )
    if receipt.replayed:
        return
    key = f"{desk.book.entity}-payout-{payout}-{attempt}"
    answer = _pay(desk, provider, state, payout, key)
    match answer:
        case Accepted(notice):
            apply(desk, provider, notice, None, receipt.position)
        case Declined(code, _, may_retry=False):
            desk.act(
                lambda decision: answer_declined(decision, payout, code),
                why=receipt.position,
            )
        case Declined(_, detail) | Unknown(detail):
            desk.act(
                lambda decision: answer_uncertain(decision, payout, attempt, detail),
                why=receipt.position,
            )


def look_up(desk: Desk, payout: PayoutId, pending: Call) -> None:
    """Ask what became of an uncertain call; repeat it only when its absence is proven."""
    state = desk.book.state(payout_stream(payout))
    provider = desk.providers[pending.merchant]
    answer: Answer[RefundNotice | None] | Answer[PayoutNotice | None]
    if state.route.kind is RouteKind.REFUND:
        answer = provider.find_refund(payout, payment=_payment(desk, state))
    else:
        answer = provider.find_payout(payout, created_after=pending.since)
    if isinstance(answer, Accepted) and answer.notice is not None:
        apply(desk, provider, answer.notice, None, pending.cause)
    elif isinstance(answer, Accepted) and may_repeat(desk, payout_stream(payout), pending):
        call(desk, payout, pending.attempts + 1)


def ask_after(desk: Desk, payout: PayoutId, pending: Call) -> None:
    """Retrieve a payout of which nothing was heard: its webhook may be lost."""
    state = desk.book.state(payout_stream(payout))
    if state.phase is not PayoutPhase.SENT or state.reference is None:
        return
    provider = desk.providers[pending.merchant]
    answer: Answer[RefundNotice] | Answer[PayoutNotice]
    if state.route.kind is RouteKind.REFUND:
        answer = provider.retrieve_refund(state.reference)
    else:
        answer = provider.retrieve_payout(state.reference)
    if isinstance(answer, Accepted):
        apply(desk, provider, answer.notice, None, pending.cause)


def credit_return(desk: Desk, payout: PayoutId) -> None:
    """Credit returned money, if the client may be credited now."""
    desk.act(lambda decision: payout_return.credit_return(decision, payout, desk.credit_gates))


def proven_absent(desk: Desk, pending: Call) -> bool:
    """Whether a call is proven to have had no effect: asked often enough, and late enough.

    A request may still be under way after a look-up said "no such object": only answers that are
    later than the longest life of a request count.
    """
    if desk.clock() - pending.since < desk.patience.request_life:
        return False
    pending.looked_up += 1
    return pending.looked_up >= desk.patience.look_ups_needed


def may_repeat(desk: Desk, stream: Stream[Any], pending: Call) -> bool:
    """Whether the call may be made once more; after the last attempt a person must look."""
    if not proven_absent(desk, pending):
        return False
    if pending.attempts < desk.patience.attempts_max:
        return True
    review = ReviewOpened(subject=stream.id, reason=f"no answer in {pending.attempts} attempts")

    def decide(decision: Decision) -> None:
        decision.get(stream)
        decision.record(stream, review)

    desk.act(decide, "stuck", str(stream.id), why=pending.cause)
    return False


def _pay(
    desk: Desk, provider: FullProvider, state: PayoutState, payout: PayoutId, key: str
) -> Answer[RefundNotice] | Answer[PayoutNotice]:
    if state.route.kind is RouteKind.REFUND:
        return provider.refund(
            _payment(desk, state), amount=state.amount, payout=payout, idempotency_key=key
        )
    assert state.route.recipient is not None
    recipient = Recipient(state.route.recipient, state.route.method or "")
    verified = provider.verify_recipient(recipient, idempotency_key=f"{key}-verify")
    if isinstance(verified, Unknown):
        # Nothing was paid, and that is certain: the same payout is tried again.
        return Declined("recipient_not_verified", verified.detail, may_retry=True)
    if isinstance(verified, Declined):
        return verified
    if verified.notice.result is not MatchResult.MATCH:
        return Declined("recipient_not_verified", verified.notice.raw_result)
    return provider.pay_out(
        recipient,
        amount=state.amount,
        payout=payout,
        verification=verified.notice.reference,
        idempotency_key=key,
    )


def _payment(desk: Desk, state: PayoutState) -> str:
    deposit: DepositId | None = state.route.deposit
    assert deposit is not None, "a refund names its deposit"
    reference = desk.book.state(deposit_stream(deposit)).reference
    assert isinstance(reference, str), "a refundable deposit has a payment"
    return reference
