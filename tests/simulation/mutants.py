"""Bugs that somebody might write, one by one: the simulation must find each of them.

Every mutant replaces an attribute of an object, as a careless change of that place would.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.chart import client_account, house_account
from ledger.decision import Kind
from ledger.facts import EntryPosted, HoldReleased
from ledger.finding import Finding
from ledger.journal import Entry, Posting, credit
from ledger.money import Money
from ledger.wallet import record, require_wallet
from payments import (
    bookings,
    deposit_notices,
    dispute,
    dispute_notices,
    facts,
    inbox,
    payout,
    payout_notices,
    payout_return,
    refunds,
    settlement,
    withdrawal,
)
from payments.deposit import deposit_stream
from payments.deposit_conversion import conversion_at
from payments.dispute import DISPUTE, DisputeState
from payments.link import payment_link
from payments.payout import PAYOUT, PayoutPhase
from payments.ports import Accepted
from payments.reactors import notices, payouts
from payments.reactors.outstanding import Outstanding
from payments.settlement import SETTLEMENT

if TYPE_CHECKING:
    from ledger.decision import Decision, Fact
    from ledger.fx import Conversion
    from ledger.ids import DepositId, EntityId, PayoutId, WithdrawalId
    from ledger.wallet import WalletState
    from payments.reactors.desk import Desk, FullProvider
    from payments.reactors.outstanding import Call


REAL_MERGE_SETTLEMENT = deposit_notices.merge_settlement
REAL_JUDGE = withdrawal.judge
REAL_FX_LEGS = bookings.fx_legs
REAL_FEE = bookings.provider_fee
ANYWHERE = {phase: frozenset(PayoutPhase) - {phase} for phase in PayoutPhase}
COUNT = itertools.count()


class Mutant(NamedTuple):
    """What is replaced, and with what."""

    name: str
    owner: object
    attribute: str
    replacement: object


def deaf(kind: Kind[Any], *unheard: type[Fact]) -> Kind[Any]:
    """The kind, with a fold that does not hear some of its facts."""

    def evolve(state: Any, fact: Fact) -> Any:
        return state if isinstance(fact, unheard) else kind.evolve(state, fact)

    return Kind(kind.name, kind.blank, evolve)


def nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def always(*_: Any, **__: Any) -> bool:
    """Say yes."""
    return True


def confirms_again(decision: Decision, deposit: DepositId, notice: Any, rate: Any) -> None:
    state = decision.get(deposit_stream(deposit))
    if notice.received == state.amount:
        conversion = conversion_at(state, notice, rate)
        deposit_notices._confirm(decision, deposit, notice, conversion)


def books_every_line(decision: Decision, deposit: DepositId, line: Any) -> None:
    stream = deposit_stream(deposit)
    state = decision.get(stream)
    if state.is_received and line.fee:
        kept = Money(line.fee, line.currency)
        moved = bookings.provider_fee(state.entity, state.merchant_account, kept)
        decision.record(stream, EntryPosted(cause=deposit, entry=moved))
    REAL_MERGE_SETTLEMENT(decision, deposit, line)


def credits_without_set_off(state: WalletState, amount: Money) -> list[Posting]:
    return [credit(client_account(state.entity, "client:wallet", state.client), amount)]


def calls_again(desk: Desk, name: PayoutId, pending: Call) -> None:
    payouts.call(desk, name, pending.attempts + 1)


def clears_and_releases(decision: Decision, name: WithdrawalId, *rules: Any) -> bool:
    clear = REAL_JUDGE(decision, name, *rules)
    if clear:
        state = withdrawal.require_withdrawal(decision, name)
        purse = require_wallet(decision, state.entity, state.client, state.amount.currency)
        if name in purse.holds:
            released = bookings.withdrawal_released(purse, name)
            record(decision, purse, HoldReleased(hold=name, entry=released))
    return clear


def fee_the_other_way(entity: EntityId, merchant: str, fee: Money) -> Entry:
    moved = REAL_FEE(entity, merchant, fee)
    return Entry(moved.text, tuple(bookings.reversed_legs(moved.postings)))


def residue_posted(entity: EntityId, conversion: Conversion) -> list[Posting]:
    currency = conversion.at_source.currency
    income, position = (house_account(entity, k) for k in ("income:fx-markup", "fx:position"))
    return [
        *REAL_FX_LEGS(entity, conversion),
        *(Posting(income, currency, -1), Posting(position, currency, 1)),
    ]


def one_pair_of_eyes(approvals: frozenset[str], amount: Money, above: Any) -> Finding:
    return Finding.passed("four-eyes", "somebody must have looked")


def never_frozen(purse: WalletState) -> Finding:
    return Finding.passed("frozen", "nobody asked")


def believes_the_last(*_: Any) -> int:
    return next(COUNT)


def takes_it_for_no(decision: Decision, name: PayoutId, attempt: int, detail: str) -> None:
    payout_notices.answer_declined(decision, name, detail)


def reads_cursor_first(desk: Desk, provider: FullProvider, cursor: str | None) -> bool:
    answer = provider.events_after(cursor)
    if not isinstance(answer, Accepted) or answer.notice.cursor == cursor:
        return False
    merchant = desk.merchant(provider)
    fact = facts.EventsRead(
        provider=merchant.provider, merchant_account=merchant.name, cursor=answer.notice.cursor
    )
    stream = payment_link(merchant, "events")
    desk.act(lambda decision: decision.record(stream, fact), "events", fact.cursor)
    for delivery in answer.notice.deliveries:
        notices.keep(desk, provider, delivery)
    return answer.notice.more


MUTANTS = (
    Mutant("a payment is confirmed again", deposit_notices, "_merge_success", confirms_again),
    Mutant(
        "a settlement is booked again",
        settlement,
        "SETTLEMENT",
        deaf(SETTLEMENT, facts.SettlementPaid),
    ),
    Mutant("a credit repays no debt", bookings, "credit_legs", credits_without_set_off),
    Mutant("absence is taken for proven", payouts, "proven_absent", always),
    Mutant("a call is repeated unseen", payouts, "look_up", calls_again),
    Mutant("clearing releases the hold", withdrawal, "judge", clears_and_releases),
    Mutant("the cap is not restored", payout_return, "_restore_cap", nothing),
    Mutant("submission asks no gate", payout, "judge", always),
    Mutant(
        "a lost dispute is charged again", dispute, "DISPUTE", deaf(DISPUTE, facts.DisputeCharged)
    ),
    Mutant("a fee is income", bookings, "provider_fee", fee_the_other_way),
    Mutant("the residue is posted", bookings, "fx_legs", residue_posted),
    Mutant("anybody's charge is refunded", withdrawal, "_check_route", nothing),
    Mutant("a claim is forgotten", Outstanding, "_claimed", staticmethod(nothing)),
    Mutant("a return is credited again", payout, "PAYOUT", deaf(PAYOUT, facts.ReturnCredited)),
    Mutant("refunds by hand are overlooked", refunds, "rebalance", nothing),
    Mutant("the list of events is not read", notices, "read_events", nothing),
    Mutant("a frozen wallet pays", withdrawal, "_not_frozen", never_frozen),
    Mutant("nobody's eyes are enough", withdrawal, "four_eyes", one_pair_of_eyes),
    Mutant(
        "a fee is booked each time it is seen",
        deposit_notices,
        "merge_settlement",
        books_every_line,
    ),
    Mutant("a parked notice is lost", inbox, "park", nothing),
    Mutant("a won dispute keeps its hold", DisputeState, "wants_hold", property(always)),
    Mutant("late news of a case is believed", dispute_notices, "_order", believes_the_last),
    Mutant("a payout may go anywhere", payout_notices, "TRANSITIONS", ANYWHERE),
    Mutant("unknown is a decline", payouts, "answer_uncertain", takes_it_for_no),
    Mutant("the cursor goes before the events", notices, "read_events", reads_cursor_first),
    Mutant("an approval wakes nobody", Outstanding, "_see_compliance", nothing),
    Mutant("returned money is not given back", payout_return, "credit", nothing),
)
