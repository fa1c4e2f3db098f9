"""The written tables: for every status and every word of the provider, where it goes."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from ledger.errors import Conflict
from ledger.finding import Finding
from ledger.ids import WithdrawalId
from ledger.wallet import freeze
from payments import deposit as deposits
from payments import dispute as disputes
from payments import payout as payouts
from payments import withdrawal as withdrawals
from payments.deposit import DepositStatus
from payments.dispute import DISPUTE, PHASE, RANK, Phase
from payments.facts import DisputeOpened, ReviewOpened
from payments.notices import CaseStatus, PaymentStatus, PayoutStatus, RefundStatus
from payments.payout import PayoutPhase
from payments.payout_notices import OUTBOUND_PHASE, REFUND_PHASE
from payments.withdrawal import WithdrawalStatus, withdrawal_stream
from tests.support import NOON
from tests.unit.payments.world import (
    CLIENT,
    ENTITY,
    FREELY,
    GATES,
    World,
    disputed,
    line,
    money,
    outbound,
    paid,
    refunded,
)

if TYPE_CHECKING:
    from ledger.decision import Decision

# --- deposits ---

DEPOSIT_WORDS = {
    PaymentStatus.INITIATED: None,
    PaymentStatus.REQUIRES_ACTION: None,
    PaymentStatus.PROCESSING: None,
    PaymentStatus.UNKNOWN: None,
    PaymentStatus.AUTHORISED: DepositStatus.AUTHORISED,
    PaymentStatus.FAILED: DepositStatus.FAILED,
    PaymentStatus.CANCELLED: DepositStatus.FAILED,
    PaymentStatus.SUCCEEDED: DepositStatus.CONFIRMED,
}
DEPOSIT_WAYS: dict[DepositStatus, list[PaymentStatus]] = {
    DepositStatus.INITIATED: [],
    DepositStatus.AUTHORISED: [PaymentStatus.AUTHORISED],
    DepositStatus.FAILED: [PaymentStatus.FAILED],
    DepositStatus.CONFIRMED: [PaymentStatus.SUCCEEDED],
}


@pytest.mark.parametrize(("status", "word"), list(product(DEPOSIT_WAYS, PaymentStatus)))
def test_a_deposit_moves_as_its_table_says(status: DepositStatus, word: PaymentStatus) -> None:
    world = World()
    world.deposit("d1", "EUR 100.00", "USD")
    for way in DEPOSIT_WAYS[status]:
        world.tell(paid("d1", "EUR 100.00", way, at=1))
    world.tell(paid("d1", "EUR 100.00", word, at=2))
    wanted = DEPOSIT_WORDS[word]
    moves = wanted is not None and wanted in deposits.TRANSITIONS[status]
    assert world.deposit_state("d1").status is (wanted if moves else status)
    world.check()


@pytest.mark.parametrize("word", PaymentStatus)
def test_a_suspended_deposit_stays(word: PaymentStatus) -> None:
    world = World()
    world.deposit("d1", "EUR 100.00", "USD")
    world.tell(paid("d1", "EUR 100.00", received=money("EUR 99.00")))
    before = world.balances()
    world.tell(paid("d1", "EUR 100.00", word, at=9))
    assert world.deposit_state("d1").status is DepositStatus.SUSPENDED
    assert world.balances() == before


def test_every_status_of_a_deposit_is_in_the_table() -> None:
    assert set(deposits.TRANSITIONS) == set(DepositStatus)
    assert set(DEPOSIT_WORDS) == set(PaymentStatus)


# --- payouts: refunds and outbound payments by one table ---

PAYOUT_WAYS: dict[PayoutPhase, list[PayoutStatus]] = {
    PayoutPhase.SUBMITTED: [],
    PayoutPhase.SENT: [PayoutStatus.PROCESSING],
    PayoutPhase.SETTLED: [PayoutStatus.POSTED],
    PayoutPhase.FAILED: [PayoutStatus.FAILED],
    PayoutPhase.RETURNED: [PayoutStatus.RETURNED],
}
REFUND_WAYS: dict[PayoutPhase, list[RefundStatus]] = {
    PayoutPhase.SUBMITTED: [],
    PayoutPhase.SENT: [RefundStatus.PENDING],
    PayoutPhase.SETTLED: [RefundStatus.SUCCEEDED],
    PayoutPhase.FAILED: [RefundStatus.FAILED],
}


def where_it_is(world: World) -> dict[str, int]:
    kinds = ("payout:in-transit", "client:returned", "psp:clearing")
    return {kind: world.balance(kind, "USD") for kind in kinds}


STANDS = {
    PayoutPhase.SUBMITTED: (100_00, 0, 100_00),
    PayoutPhase.SENT: (100_00, 0, 100_00),
    PayoutPhase.SETTLED: (0, 0, 0),
    PayoutPhase.FAILED: (0, 100_00, 100_00),
    PayoutPhase.RETURNED: (0, 100_00, 100_00),
}


@pytest.mark.parametrize(("phase", "word"), list(product(PAYOUT_WAYS, PayoutStatus)))
def test_an_outbound_payment_moves_as_its_table_says(
    phase: PayoutPhase, word: PayoutStatus
) -> None:
    world = World()
    world.verified()
    world.funded("d1", "USD 100.00", "USD")
    payout = world.paying_out("w1", "USD 100.00")
    for way in PAYOUT_WAYS[phase]:
        world.tell(outbound(payout, "USD 100.00", way, at=1))
    assert world.payout_state(payout).phase is phase
    world.tell(outbound(payout, "USD 100.00", word, at=2))
    wanted = OUTBOUND_PHASE[word]
    moved = wanted if wanted in payouts.TRANSITIONS[phase] else phase
    assert world.payout_state(payout).phase is moved
    assert tuple(where_it_is(world).values()) == STANDS[moved]
    world.check()


@pytest.mark.parametrize(("phase", "word"), list(product(REFUND_WAYS, RefundStatus)))
def test_a_refund_of_ours_moves_as_its_table_says(phase: PayoutPhase, word: RefundStatus) -> None:
    world = World()
    world.verified()
    world.funded("d1", "USD 100.00", "USD")
    payout = world.paying_out("w1", "USD 100.00", back_to="d1")
    for way in REFUND_WAYS[phase]:
        world.tell(refunded("d1", "re_1", "USD 100.00", way, payout=payout, at=1))
    world.tell(refunded("d1", "re_1", "USD 100.00", word, payout=payout, at=2))
    wanted = REFUND_PHASE[word]
    moved = wanted if wanted in payouts.TRANSITIONS[phase] else phase
    assert world.payout_state(payout).phase is moved
    assert tuple(where_it_is(world).values()) == STANDS[moved]
    given_up = moved is PayoutPhase.FAILED
    assert world.deposit_state("d1").refundable == (100_00 if given_up else 0)
    world.check()


def test_an_unknown_word_settles_nothing() -> None:
    assert REFUND_PHASE[RefundStatus.UNKNOWN] is PayoutPhase.SENT
    assert OUTBOUND_PHASE[PayoutStatus.UNKNOWN] is PayoutPhase.SENT
    assert DEPOSIT_WORDS[PaymentStatus.UNKNOWN] is None
    assert PHASE[CaseStatus.UNKNOWN] is Phase.UNCLEAR
    assert set(REFUND_PHASE) == set(RefundStatus)
    assert set(OUTBOUND_PHASE) == set(PayoutStatus)
    assert set(payouts.TRANSITIONS) == set(PayoutPhase)


# --- withdrawals ---

ENDS = {
    "cancel": WithdrawalStatus.CANCELLED,
    "reject": WithdrawalStatus.REJECTED,
    "expire": WithdrawalStatus.EXPIRED,
}


def a_withdrawal(status: WithdrawalStatus) -> World:
    world = World()
    world.funded("d1", "USD 100.00", "USD")
    withdrawal = world.withdrawal("w1", "USD 40.00")
    if status in {WithdrawalStatus.CLEARED, WithdrawalStatus.SUBMITTED}:
        world.verified()
        assert world.judge(withdrawal)
    if status is WithdrawalStatus.SUBMITTED:
        world.submit(withdrawal)
    for name, end in ENDS.items():
        if status is end:
            act(world, name)
    assert status_of(world) is status
    return world


def status_of(world: World) -> WithdrawalStatus:
    return world.state(withdrawal_stream(the_withdrawal(world))).status


def the_withdrawal(world: World) -> WithdrawalId:
    (known,) = {stream for stream, kind in world.kinds.items() if kind is withdrawals.WITHDRAWAL}
    return WithdrawalId(known)


def act(world: World, name: str) -> None:
    withdrawal = the_withdrawal(world)
    later = NOON + withdrawals.WAITS_MAX
    match name:
        case "cancel":
            world.do(withdrawals.cancel, withdrawal)
        case "reject":
            world.do(withdrawals.reject, withdrawal, "charge_not_refundable")
        case "expire":
            world.do(withdrawals.expire, withdrawal, at=later)
        case "clear":
            world.do(withdrawals.judge, withdrawal, (_open,), FREELY)
        case "hold":
            world.do(withdrawals.judge, withdrawal, GATES, {}, at=later)
        case _:
            world.do(payouts.submit, withdrawal, (_open,), FREELY, None)


def _open(decision: object, client: object) -> Finding:
    return Finding.passed("open", "for the table")


WORDS = {
    **ENDS,
    "clear": WithdrawalStatus.CLEARED,
    "hold": WithdrawalStatus.HELD,
    "submit": WithdrawalStatus.SUBMITTED,
}
BEGUN = [status for status in WithdrawalStatus if status is not WithdrawalStatus.NONE]


@pytest.mark.parametrize(("status", "word"), list(product(BEGUN, WORDS)))
def test_a_withdrawal_moves_as_its_table_says(status: WithdrawalStatus, word: str) -> None:
    world = a_withdrawal(status)
    wanted = WORDS[word]
    allowed = withdrawals.TRANSITIONS[status]
    if word == "submit" and status is WithdrawalStatus.HELD:
        allowed = allowed | {WithdrawalStatus.SUBMITTED}  # cleared and submitted in one append
    if word in ENDS and wanted not in allowed:
        with pytest.raises(Conflict):
            act(world, word)
        moved = status
    else:
        act(world, word)
        moved = wanted if wanted in allowed else status
    assert status_of(world) is moved
    purse = world.wallet("USD")
    held = moved in {WithdrawalStatus.HELD, WithdrawalStatus.CLEARED}
    assert purse.held == (40_00 if held else 0)
    assert purse.available == (100_00 if moved in ENDS.values() else 60_00)
    assert world.balance("payout:in-transit", "USD") == (
        40_00 if moved is WithdrawalStatus.SUBMITTED else 0
    )
    world.check()


# --- disputes ---

ONE_WORD: dict[Phase, CaseStatus] = {}
for _status, _phase in PHASE.items():
    ONE_WORD.setdefault(_phase, _status)


@pytest.mark.parametrize(("phase", "status"), list(product(Phase, CaseStatus)))
def test_a_case_moves_as_its_table_says(phase: Phase, status: CaseStatus) -> None:
    world = World()
    world.funded("d1", "EUR 100.00", "USD")
    world.tell(disputed("d1", "dp_1", "EUR 100.00", ONE_WORD[phase], at=50))
    reviews = len(world.all(ReviewOpened))
    world.tell(disputed("d1", "dp_1", "EUR 100.00", status, at=51))
    (opened,) = world.all(DisputeOpened)
    allowed = PHASE[status] in disputes.TRANSITIONS[phase]
    state = world.state(DISPUTE(opened.dispute))
    assert state.phase is (PHASE[status] if allowed else phase)
    assert len(world.all(ReviewOpened)) == reviews + (0 if allowed else 1)
    world.check()


@pytest.mark.parametrize(("phase", "status"), list(product(Phase, CaseStatus)))
def test_an_older_word_changes_nothing(phase: Phase, status: CaseStatus) -> None:
    world = World()
    world.funded("d1", "EUR 100.00", "USD")
    world.tell(disputed("d1", "dp_1", "EUR 100.00", ONE_WORD[phase], at=51))
    before, reviews = world.balances(), len(world.all(ReviewOpened))
    world.tell(disputed("d1", "dp_1", "EUR 100.00", status, at=50))
    (opened,) = world.all(DisputeOpened)
    assert world.state(DISPUTE(opened.dispute)).status is ONE_WORD[phase]
    assert world.balances() == before
    assert len(world.all(ReviewOpened)) == reviews


def test_every_word_of_a_case_has_its_place() -> None:
    assert set(PHASE) == set(CaseStatus)
    assert set(disputes.TRANSITIONS) == set(Phase) == set(disputes.FACT) == set(RANK)
    assert len(set(disputes.FACT.values())) == len(Phase)


@pytest.mark.parametrize("status", CaseStatus)
@pytest.mark.parametrize("gone", [False, True], ids=["money here", "money gone"])
def test_what_a_case_and_its_money_amount_to_for_the_client(status: CaseStatus, gone: bool) -> None:
    """The table of the head of `payments/dispute.py`, written out."""
    world = World()
    world.funded("d1", "EUR 100.00", "EUR")
    lines = (line("txn_w", "EUR -100.00"),) if gone else ()
    world.tell(disputed("d1", "dp_1", "EUR 100.00", status, *lines, at=50))
    purse = world.wallet("EUR")
    phase = PHASE[status]
    charged = gone and phase in {Phase.LOST, Phase.PREVENTED}
    held = (
        phase in {Phase.OPEN, Phase.REPRESENTED}
        or (phase is Phase.LOST and not gone)
        or (gone and phase in {Phase.INQUIRY, Phase.CLOSED, Phase.UNCLEAR})
    )
    assert purse.held == (100_00 if held else 0)
    assert purse.available == (0 if held or charged else 100_00)
    assert world.balance("dispute:contested", "EUR") == (100_00 if gone and not charged else 0)
    world.check()


def test_the_books_used_here_refuse_whole_commands() -> None:
    """The control of the stage: a refusal leaves nothing behind."""
    world = World()
    world.funded("d1", "USD 100.00", "USD")
    before = len(world.told)

    def half(decision: Decision) -> None:
        freeze(decision, ENTITY, CLIENT, "USD", "half")
        raise Conflict("and then it is refused")

    with pytest.raises(Conflict):
        world.do(half)
    assert len(world.told) == before
    assert not world.wallet("USD").frozen
