"""What must hold when peace has come: the provider's books against ours, and ours against the log.

I1 every currency sums to zero               I5 positions, versions and chain hold
I2 wallets say what their accounts say       I6 nothing is left to do, or parked
I3 every effect at the provider, once        I7 the log folds to the same states again
I4 every event has its actor, keys are one   I8 what clients have is what they were given
"""

from __future__ import annotations

from collections import Counter
from functools import reduce
from typing import TYPE_CHECKING

from compliance.facts import KycApproved, KycRevoked
from compliance.kyc import KycStatus, kyc
from ledger.chart import Side, kind_of
from ledger.facts import WalletFrozen, WalletUnfrozen
from ledger.wallet import WalletState, wallet, wallet_id
from payments import facts
from payments.deposit import deposit_stream
from payments.dispute import DisputeState
from payments.notices import CaseStatus
from payments.payout import PayoutPhase, PayoutState
from payments.reactors.outstanding import Outstanding
from payments.withdrawal import WithdrawalState, WithdrawalStatus
from tests.simulation.world.client_money import can_convert, check_client_money
from tests.simulation.world.people import ENTITY, FOUR_EYES_ABOVE
from tests.simulation.world.view import same, view_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ledger.decision import Event
    from tests.simulation.world.simulation import Simulation
    from tests.simulation.world.view import View

ONCE = (
    facts.DepositConfirmed,
    facts.DepositConverted,
    facts.PayoutSubmitted,
    facts.PayoutSettled,
    facts.PayoutReturned,
    facts.PayoutFailed,
    facts.ReturnCredited,
    facts.WithdrawalRequested,
    facts.WithdrawalSubmitted,
    facts.FundsConverted,
    facts.QuoteAccepted,
    facts.SettlementPaid,
    facts.SettlementFailed,
)
"""Facts that stand once on their stream, whatever is told how often."""
_WAITS = {WithdrawalStatus.HELD, WithdrawalStatus.CLEARED}
_OPEN = {CaseStatus.NEEDS_RESPONSE, CaseStatus.UNDER_REVIEW}
_WARNED = {CaseStatus.WARNING_NEEDS_RESPONSE, CaseStatus.WARNING_CLOSED}
_BARRED = {KycStatus.REVOKED, KycStatus.REJECTED_FINAL}


def audit(sim: Simulation) -> None:
    """Check every invariant of a simulation that has come to rest."""
    view = view_of(sim)
    check_balances(view)
    check_wallets(view)
    check_contests(view)
    check_provider(view)
    check_log(view)
    check_rest(view)
    Submissions().check(view)
    check_folds(view)
    check_client_money(view)


def check_balances(view: View) -> None:
    """I1, and no account on a side where the chart forbids it."""
    trial: Counter[str] = Counter()
    for (account, currency), minor in view.balances.items():
        trial[currency] += minor
        kind = kind_of(account)
        sign = 1 if kind.normal is Side.DEBIT else -1
        assert kind.flips or sign * minor >= 0, f"I8 {account} {currency} stands at {minor}"
    assert not any(trial.values()), f"I1 {trial}"


def check_wallets(view: View) -> None:
    """I2, and every hold is that of a withdrawal which waits."""
    holds: dict[UUID, int] = {}
    for _, state in view.of(WalletState):
        holds |= state.holds
        for kind, minor in (
            ("client:wallet", -state.available),
            ("client:held", -state.held),
            ("client:receivable", state.owed),
        ):
            account = f"{ENTITY}:{kind}:{state.client}"
            assert view.balances.get((account, state.currency), 0) == minor, f"I2 {state}"
    waiting = {
        stream: state.amount.minor
        for stream, state in view.of(WithdrawalState)
        if state.status in _WAITS
    }
    assert holds == waiting, f"I2 holds {holds}, withdrawals {waiting}"


def check_contests(view: View) -> None:
    """I2: a dispute has a claim on the wallet while its case is open, and no longer."""
    opened = [e.fact for e in view.events if isinstance(e.fact, facts.DisputeOpened)]
    told = {fact.dispute: fact.reference for fact in opened}
    wanted = set()
    for stream, state in view.of(DisputeState):
        case = view.sim.psp.disputes[told[state.dispute]]
        assert state.deposit is not None, "I6 a dispute of nobody's payment"
        credited = view.sim.book.state(deposit_stream(state.deposit)).is_credited
        gone = sum(line.amount for line in case.lines) < 0
        if credited and (case.status in _OPEN or (case.status in _WARNED and gone)):
            wanted.add(stream)
    claims = {dispute for _, purse in view.of(WalletState) for dispute in purse.contests}
    assert claims == wanted, f"I2 claims {claims}, open cases {wanted}"


def check_provider(view: View) -> None:
    """I3: what the provider has for us, sent to our bank and kept, by its own books."""
    psp = view.sim.psp
    same("I3 clearing", view.sums("psp:clearing"), psp.holds())
    same("I3 bank", view.sums("bank:client"), psp.banked())
    same("I3 fees", view.sums("expense:psp-fees"), psp.fees("charge"))
    same("I3 dispute fees", view.sums("expense:dispute-fees"), psp.fees("adjustment"))
    open_cases: Counter[str] = Counter()
    for dispute in psp.disputes.values():
        if not dispute.is_lost:
            for line in dispute.lines:
                open_cases[line.currency] -= line.amount
    same("I3 contested", view.sums("dispute:contested"), open_cases)
    for what, names in (
        ("payments", [payment.deposit for payment in psp.payments.values()]),
        ("refunds", [refund.payout for refund in psp.refunds.values() if refund.payout]),
        ("payouts", [outbound.payout for outbound in psp.outbounds.values()]),
    ):
        assert len(names) == len(set(names)), f"I3 {what} made twice"
    payouts = dict(view.of(PayoutState))
    for person in view.sim.people.people:
        for refund in psp.refunds.values():
            if refund.payout is not None and refund.payment.deposit in person.deposits:
                theirs = payouts[refund.payout]
                assert theirs.client == person.client, "I3 refunded to somebody else's charge"
                assert theirs.amount == refund.amount, "I3 refunded another amount"


def check_log(view: View) -> None:
    """I4, I5, and that what happens once stands once."""
    assert all(event.by for event in view.events), "I4 an event without an actor"
    keys = Counter(event.request for event in view.events if event.request)
    assert all(count == 1 for count in keys.values()), "I4 a request stands twice"
    report = view.sim.book.verify()
    assert report.ok, f"I5 {report.problem}"
    assert report.position == len(view.events), "I5 positions are missing"
    once = Counter(
        (event.stream_id, type(event.fact)) for event in view.events if isinstance(event.fact, ONCE)
    )
    assert all(count == 1 for count in once.values()), f"I3 twice: {once.most_common(1)}"


def check_rest(view: View) -> None:
    """I6: everything that can be done is done; what a person must look at is left alone."""
    sim = view.sim
    see, most = sim.worker.see, sim.desk.patience.attempts_max
    left = {
        "notices": list(see.notices),
        "parked": see.parked,
        "payments": [d for d, call in see.payments.items() if call.attempts < most],
        "payouts": [p for p, call in see.payouts.items() if call.attempts < most],
        "sent": list(see.sent),
        "cleared": list(see.cleared),
        "judged": list(see.rejudge),
        "unconverted": [
            d for d in see.unconverted if can_convert(view, sim.book.state(deposit_stream(d)))
        ],
        "held": [
            stream
            for stream, state in view.of(WithdrawalState)
            if state.status is WithdrawalStatus.HELD and can_clear(view, state)
        ],
        "returned": [
            payout
            for payout, client in see.returned.items()
            if sim.book.state(kyc(client)).status not in _BARRED
        ],
        "unknown": [
            stream
            for stream, state in view.of(PayoutState)
            if state.phase is PayoutPhase.SUBMITTED and stream not in see.payouts
        ],
    }
    assert not any(left.values()), f"I6 { ({k: v for k, v in left.items() if v}) }"


def can_clear(view: View, state: WithdrawalState) -> bool:
    """Whether every gate is open by now, so that nothing keeps the withdrawal."""
    sim = view.sim
    purse = sim.book.state(wallet(ENTITY, state.client, state.amount.currency))
    level = sim.book.state(kyc(state.client)).level_at(sim.schedule.now)
    seen = len(state.approvals) > 1 or state.amount.minor <= FOUR_EYES_ABOVE[state.amount.currency]
    return level > 0 and seen and not purse.frozen


class Submissions:
    """I3: at every submission a valid approval, an open wallet, four eyes where asked for."""

    def __init__(self) -> None:
        self._valid: dict[UUID, datetime] = {}
        self._frozen: set[UUID] = set()
        self._approved: dict[UUID, set[str]] = {}

    def check(self, view: View) -> None:
        """Go through the log once."""
        for event in view.events:
            match event.fact:
                case KycApproved() as fact:
                    self._valid[fact.client] = fact.valid_until
                case KycRevoked() as fact:
                    self._valid.pop(fact.client, None)
                case WalletFrozen():
                    self._frozen.add(event.stream_id)
                case WalletUnfrozen():
                    self._frozen.discard(event.stream_id)
                case facts.WithdrawalApproved() as fact:
                    self._approved.setdefault(fact.withdrawal, set()).add(fact.subject)
                case facts.PayoutSubmitted() as fact:
                    self._submitted(fact, event)
                case _:
                    pass

    def _submitted(self, fact: facts.PayoutSubmitted, event: Event) -> None:
        until = self._valid.get(fact.client)
        assert until is not None, "I3 submitted without an approval"
        assert event.at < until, "I3 submitted after the approval ended"
        purse = wallet_id(fact.entity, fact.client, fact.held.currency)
        assert purse not in self._frozen, "I3 submitted from a frozen wallet"
        if fact.held.minor > FOUR_EYES_ABOVE[fact.held.currency]:
            assert len(self._approved.get(fact.withdrawal, ())) > 1, "I3 nobody approved it"


def check_folds(view: View) -> None:
    """I7: the log folded from nothing gives the states, and the worker's view, that there are."""
    streams: dict[UUID, list[Event]] = {}
    anew = Outstanding()
    for event in view.events:
        streams.setdefault(event.stream_id, []).append(event)
        anew.see(event)
    for stream, history in streams.items():
        kind = view.known[stream].kind
        state = reduce(kind.evolve, (event.fact for event in history), kind.blank)
        assert state == view.known[stream].state, f"I7 {kind.name} {stream}"
        assert [event.version for event in history] == [*range(1, len(history) + 1)], "I5 versions"
    lived = view.sim.worker.see
    for name in ("notices", "payments", "announced", "unconverted", "held", "cleared", "cursors"):
        assert getattr(lived, name).keys() == getattr(anew, name).keys(), f"I7 {name}"
