"""Calls whose answer is lost, workers that die between two steps, messages that never come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.psp.stripe.simulator.faults import Fault
from compliance.kyc import revoke
from payments import payout as payout_commands
from payments import withdrawal as withdrawals
from payments.deposit import DepositStatus
from payments.payout import PayoutPhase
from payments.reactors import payouts
from payments.withdrawal import WithdrawalStatus
from tests.simulation.play import CLIENT, Play, playing

AFTER = (Fault.CUT_AFTER, Fault.STALL_AFTER, Fault.SERVER_ERROR_AFTER, Fault.GARBAGE_AFTER)
BEFORE = (Fault.CUT_BEFORE, Fault.SERVER_ERROR, Fault.RATE_LIMITED, Fault.CONFLICT)


def _funded(day: Play) -> None:
    day.client_comes()
    day.sim.pay(day.deposit(1, "1000.00", "EUR"))
    day.segment()


def _refunds(day: Play) -> int:
    return len(day.sim.world.objects["refund"])


@pytest.mark.parametrize("fault", AFTER)
def test_a_refund_whose_answer_is_lost_is_found_and_paid_once(fault: Fault) -> None:
    with playing() as day:
        _funded(day)
        day.sim.faults.next(fault, path="/v1/refunds")
        payout = day.submitted(110, "500.00", day.to_card(1, "EUR"))
        payouts.call(day.desk, payout, 1)
        assert day.payout_state(payout).phase is PayoutPhase.SUBMITTED
        day.work(12, listens=False)
        assert day.payout_state(payout).phase is PayoutPhase.SETTLED
        assert _refunds(day) == 1


@pytest.mark.parametrize("fault", BEFORE)
def test_a_refund_that_never_began_is_repeated_only_when_its_absence_is_proven(
    fault: Fault,
) -> None:
    with playing() as day:
        _funded(day)
        day.sim.faults.next(fault, path="/v1/refunds")
        payout = day.submitted(110, "500.00", day.to_card(1, "EUR"))
        payouts.call(day.desk, payout, 1)
        day.work(2, listens=False)
        assert _refunds(day) == 0, "three minutes have not passed: a request may be under way"
        day.work(12, listens=False)
        assert day.payout_state(payout).phase is PayoutPhase.SETTLED
        assert _refunds(day) == 1


def test_control_a_blind_repetition_pays_twice() -> None:
    with playing() as day:
        _funded(day)
        day.sim.faults.next(Fault.CUT_AFTER, path="/v1/refunds")
        payout = day.submitted(110, "500.00", day.to_card(1, "EUR"))
        payouts.call(day.desk, payout, 1)
        payouts.call(day.desk, payout, 2)
        assert _refunds(day) == 2


def test_a_worker_that_died_after_its_claim_is_succeeded_by_one_that_looks_first() -> None:
    with playing() as day:
        _funded(day)
        payout = day.submitted(110, "500.00", day.to_card(1, "EUR"))
        day.command(lambda decision: payout_commands.claim(decision, payout, 1))
        day.forget()
        day.work(2, listens=False)
        assert _refunds(day) == 0
        day.work(12, listens=False)
        assert day.payout_state(payout).phase is PayoutPhase.SETTLED
        assert _refunds(day) == 1


def test_a_worker_that_died_before_its_claim_is_succeeded_by_one_that_calls() -> None:
    with playing() as day:
        _funded(day)
        payout = day.submitted(110, "500.00", day.to_card(1, "EUR"))
        day.forget()
        day.work(1, listens=False)
        assert day.payout_state(payout).phase is PayoutPhase.SETTLED


def test_a_deposit_whose_answer_is_lost_is_found_and_opened_once() -> None:
    with playing() as day:
        day.client_comes()
        deposit = day.announce(1, "1000.00", "EUR")
        day.sim.faults.next(Fault.CUT_AFTER, path="/v1/payment_intents")
        day.work(2, listens=False)
        day.forget()
        day.work(10, listens=False)
        assert day.deposit_state(1).reference is not None
        assert len(day.sim.world.objects["payment_intent"]) == 1
        assert deposit in day.see.announced


def test_a_payment_of_which_no_webhook_tells_is_retrieved() -> None:
    with playing() as day:
        day.client_comes()
        reference = day.deposit(1, "1000.00", "EUR")
        day.sim.pay(reference)
        day.work(9, listens=False)
        assert day.deposit_state(1).status is DepositStatus.INITIATED
        day.work(5, listens=False)
        assert day.deposit_state(1).status is DepositStatus.CONFIRMED


def test_a_dispute_of_which_no_webhook_tells_is_read_from_the_list_of_events() -> None:
    with playing() as day:
        _funded(day)
        charge = day.deposit_state(1).charge
        assert charge is not None
        day.sim.open_dispute(charge)
        day.work(8)
        assert day.deposit_state(1).disputes


def test_revoked_between_clearing_and_submission_it_is_held_again() -> None:
    with playing() as day:
        _funded(day)
        asked = day.ask(110, "500.00", day.to_card(1, "EUR"))
        assert day.withdrawal_state(110).status is WithdrawalStatus.CLEARED
        day.command(lambda decision: revoke(decision, CLIENT, evidence_ref="kyc:2"))
        payouts.submit(day.desk, asked, day.book.head())
        assert day.withdrawal_state(110).status is WithdrawalStatus.HELD
        assert any(account.endswith(f"client:held:{CLIENT}") for account, _ in day.books())
        assert _refunds(day) == 0


def test_a_payout_to_somebody_else_fails_and_the_money_comes_back() -> None:
    with playing() as day:
        _funded(day)
        before = day.books()
        payout = day.submitted(110, "500.00", day.to_bank("EUR", match="no_match"))
        day.work(3, listens=False)
        assert day.payout_state(payout).phase is PayoutPhase.FAILED
        assert day.books() == before
        assert not day.sim.world.objects["outbound_payment"]


def test_a_withdrawal_that_waits_too_long_gives_its_money_back() -> None:
    with playing() as day:
        day.client_comes(verified=False)
        day.sim.pay(day.deposit(1, "1000.00", "EUR"))
        day.segment()
        before = day.books()
        day.ask(110, "500.00", day.to_card(1, "EUR"))
        assert day.withdrawal_state(110).status is WithdrawalStatus.HELD
        day.clock.advance(withdrawals.WAITS_MAX + timedelta(minutes=1))
        day.work(1, listens=False)
        assert day.withdrawal_state(110).status is WithdrawalStatus.EXPIRED
        assert day.books() == before


def test_what_is_outstanding_is_the_same_after_a_restart() -> None:
    with playing() as day:
        _funded(day)
        day.submitted(110, "200.00", day.to_card(1, "EUR"))
        day.announce(2, "50.00", "GBP")
        day.catch_up()
        lived = (set(day.see.payouts), set(day.see.payments), set(day.see.announced))
        day.forget()
        assert (set(day.see.payouts), set(day.see.payments), set(day.see.announced)) == lived
