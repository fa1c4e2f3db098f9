"""Withdrawals and payouts: held, gated, cleared, submitted; the hold stays until it is captured."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compliance.kyc import expire, kyc_gate, reject, revoke
from ledger.errors import Conflict, InsufficientFunds, InvalidInput, NotFound
from ledger.finding import ClientCode
from ledger.wallet import freeze, unfreeze
from payments import payout as payouts
from payments import withdrawal as withdrawals
from payments.facts import (
    ReviewOpened,
    Route,
    RouteKind,
    WithdrawalCleared,
    WithdrawalHeld,
    WithdrawalSubmitted,
)
from payments.notices import CaseStatus, PayoutStatus
from payments.payout import PayoutPhase
from payments.payout_notices import answer_declined, answer_uncertain
from payments.payout_return import credit_return
from payments.withdrawal import WithdrawalStatus, withdrawal_stream
from tests.support import NOON
from tests.unit.payments.world import (
    CLIENT,
    ENTITY,
    FREELY,
    GATES,
    MERCHANT,
    OTHER,
    RATES,
    World,
    deposit_of,
    disputed,
    money,
    outbound,
    withdrawal_of,
)

W1 = withdrawal_of("w1")


def asking(amount: str = "USD 40.00", *, verified: bool = True) -> World:
    world = World()
    world.funded("d1", "USD 100.00", "USD")
    if verified:
        world.verified()
    world.withdrawal("w1", amount)
    return world


def status(world: World) -> WithdrawalStatus:
    return world.state(withdrawal_stream(W1)).status


# --- the KYC gate fails closed ---


def after_nothing(world: World) -> None:
    del world


def after_rejection(world: World) -> None:
    world.verified()
    world.do(reject, CLIENT, final=True, evidence_ref="case-2")


def after_revocation(world: World) -> None:
    world.verified()
    world.do(revoke, CLIENT, evidence_ref="case-3")


def after_expiry(world: World) -> None:
    world.verified(days=1)
    world.do(expire, CLIENT, at=NOON + timedelta(days=1))


def after_running_out(world: World) -> None:
    world.verified(days=1)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        (after_nothing, ClientCode.DOCUMENTS_NEEDED),
        (after_rejection, ClientCode.UNDER_REVIEW),
        (after_revocation, ClientCode.UNDER_REVIEW),
        (after_expiry, ClientCode.DOCUMENTS_NEEDED),
        (after_running_out, ClientCode.DOCUMENTS_NEEDED),
    ],
)
def test_without_a_valid_level_it_stays_held(case: object, code: ClientCode) -> None:
    world = asking(verified=False)
    case(world)  # type: ignore[operator]
    later = NOON + timedelta(days=2)
    assert not world.judge(W1, at=later)
    world.submit(W1, at=later)
    assert status(world) is WithdrawalStatus.HELD
    assert world.wallet("USD").holds == {W1: 40_00}
    assert world.balance("payout:in-transit", "USD") == 0
    found = world.all(WithdrawalHeld)[-1].findings[0]
    assert (found.gate, found.client_code) == ("kyc", code)


def test_with_a_valid_level_it_is_cleared_and_the_hold_stays() -> None:
    """The control."""
    world = asking()
    assert world.judge(W1)
    assert world.wallet("USD").holds == {W1: 40_00}
    assert len(world.all(WithdrawalCleared)) == 1
    world.judge(W1)
    assert len(world.all(WithdrawalCleared)) == 1, "what is no news is not recorded"


def test_a_lower_level_than_asked_for_is_not_enough() -> None:
    world = asking()
    world.do(withdrawals.judge, W1, (kyc_gate(2),), FREELY)
    assert status(world) is WithdrawalStatus.HELD


def test_revocation_between_clearing_and_submission_holds_it_again() -> None:
    world = asking()
    assert world.judge(W1)
    world.do(revoke, CLIENT, evidence_ref="case-9")
    world.submit(W1)
    assert status(world) is WithdrawalStatus.HELD
    assert world.wallet("USD").holds == {W1: 40_00}
    assert world.all(WithdrawalSubmitted) == []
    world.verified()
    world.submit(W1)
    assert status(world) is WithdrawalStatus.SUBMITTED
    world.check()


def test_without_any_gate_nothing_is_cleared() -> None:
    world = asking()
    world.do(withdrawals.judge, W1, (), FREELY)
    assert status(world) is WithdrawalStatus.HELD


def test_a_frozen_wallet_pays_nothing_out_even_what_was_cleared() -> None:
    world = asking()
    assert world.judge(W1)
    world.do(freeze, ENTITY, CLIENT, "USD", "court order")
    world.submit(W1)
    assert status(world) is WithdrawalStatus.HELD
    (finding,) = [f for f in world.all(WithdrawalHeld)[-1].findings if not f.clear]
    assert (finding.gate, finding.client_code) == ("frozen", ClientCode.UNDER_REVIEW)
    world.do(unfreeze, ENTITY, CLIENT, "USD", "lifted")
    world.submit(W1)
    assert status(world) is WithdrawalStatus.SUBMITTED


# --- four eyes ---


def test_above_the_threshold_two_people_approve() -> None:
    world = asking()
    limit = {"USD": 39_99}
    for subject, clear in (("anna", False), ("ben", True)):
        world.do(withdrawals.approve, W1, subject)
        world.do(withdrawals.judge, W1, GATES, limit)
        assert (status(world) is WithdrawalStatus.CLEARED) is clear
    with pytest.raises(Conflict) as refused:
        world.do(withdrawals.approve, W1, "anna")
    assert refused.value.public_code == "same_person"


def test_one_person_twice_is_one_pair_of_eyes_and_no_threshold_asks_always() -> None:
    world = asking()
    world.do(withdrawals.approve, W1, "anna")
    with pytest.raises(Conflict):
        world.do(withdrawals.approve, W1, "anna")
    world.do(withdrawals.judge, W1, GATES, {})
    assert status(world) is WithdrawalStatus.HELD
    world.do(withdrawals.judge, W1, GATES, {"USD": 40_00})
    assert status(world) is WithdrawalStatus.CLEARED


# --- cancelling and submitting ---


def test_cancelled_first_it_is_never_submitted() -> None:
    world = asking()
    assert world.judge(W1)
    world.do(withdrawals.cancel, W1)
    world.submit(W1)
    assert status(world) is WithdrawalStatus.CANCELLED
    assert (world.wallet("USD").available, world.wallet("USD").held) == (100_00, 0)
    assert world.balance("payout:in-transit", "USD") == 0


def test_submitted_first_it_cannot_be_cancelled_nor_expire() -> None:
    world = asking()
    assert world.judge(W1)
    world.submit(W1)
    for act, at in (
        (withdrawals.cancel, NOON),
        (withdrawals.expire, NOON + timedelta(days=99)),
    ):
        with pytest.raises(Conflict) as refused:
            world.do(act, W1, at=at)
        assert refused.value.public_code == "payout_submitted"
    assert world.balance("payout:in-transit", "USD") == 40_00
    world.submit(W1)
    assert len(world.all(WithdrawalSubmitted)) == 1, "submitted once"


def test_expires_only_when_its_time_is_over() -> None:
    world = asking(verified=False)
    with pytest.raises(Conflict):
        world.do(withdrawals.expire, W1, at=NOON + withdrawals.WAITS_MAX - timedelta(seconds=1))
    world.do(withdrawals.expire, W1, at=NOON + withdrawals.WAITS_MAX)
    assert world.wallet("USD").available == 100_00


# --- what may be asked for ---


def test_refuses_to_hold_more_than_there_is_and_what_does_not_exist() -> None:
    world = World()
    world.funded("d1", "USD 100.00", "USD")
    with pytest.raises(InsufficientFunds):
        world.withdrawal("w1", "USD 100.01")
    with pytest.raises(NotFound):
        world.withdrawal("w1", "EUR 1.00")
    with pytest.raises(InvalidInput):
        world.withdrawal("w1", "USD 0.00")
    world.withdrawal("w1", "USD 100.00")
    with pytest.raises(InsufficientFunds):
        world.withdrawal("w2", "USD 0.01")
    with pytest.raises(Conflict):
        world.withdrawal("w1", "USD 1.00")
    world.check()


def route(kind: RouteKind, **changes: object) -> Route:
    said = {"provider": MERCHANT.provider, "merchant_account": MERCHANT.name, "currency": "USD"}
    return Route(kind, **(said | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (route(RouteKind.BANK), "route_without_recipient"),
        (route(RouteKind.BANK, recipient="r", deposit=deposit_of("d1")), "route_with_deposit"),
        (route(RouteKind.REFUND), "route_without_deposit"),
        (route(RouteKind.REFUND, deposit=deposit_of("none")), "no_such_deposit"),
        (route(RouteKind.REFUND, deposit=deposit_of("theirs")), "no_such_deposit"),
        (
            route(RouteKind.REFUND, deposit=deposit_of("d1"), currency="EUR"),
            "charge_not_refundable",
        ),
        (
            route(RouteKind.REFUND, deposit=deposit_of("d1"), merchant_account="stripe-us"),
            "charge_not_refundable",
        ),
        (route(RouteKind.REFUND, deposit=deposit_of("small")), "charge_not_refundable"),
        (route(RouteKind.REFUND, deposit=deposit_of("disputed")), "charge_not_refundable"),
    ],
)
def test_refuses_a_way_that_is_not_the_clients(asked: Route, code: str) -> None:
    world = World()
    world.funded("d1", "USD 100.00", "USD")
    world.funded("small", "USD 39.99", "USD")
    world.funded("disputed", "USD 100.00", "USD")
    status = CaseStatus.WARNING_NEEDS_RESPONSE
    world.tell(disputed("disputed", "dp", "USD 1.00", status, at=50))
    world.funded("theirs", "USD 100.00", "USD", client=OTHER)
    with pytest.raises((InvalidInput, NotFound, Conflict)) as refused:
        world.do(
            withdrawals.request,
            W1,
            client=CLIENT,
            entity=ENTITY,
            amount=money("USD 40.00"),
            route=asked,
        )
    assert refused.value.public_code == code
    assert world.wallet("USD").held == 0


def test_two_refunds_never_exceed_the_charge() -> None:
    world = World()
    world.verified()
    world.funded("d1", "USD 100.00", "USD")
    world.funded("d2", "USD 100.00", "USD")
    first = world.withdrawal("w1", "USD 60.00", back_to="d1")
    second = world.withdrawal("w2", "USD 60.00", back_to="d1")
    world.submit(first)
    with pytest.raises(Conflict) as refused:
        world.submit(second)
    assert refused.value.public_code == "charge_not_refundable"
    assert world.wallet("USD").holds == {second: 60_00}, "it is still the client's, and held"
    world.check()


# --- the payout: one claimant, certain answers ---


def test_one_worker_has_a_claim_and_none_after_the_answer() -> None:
    world = asking()
    payout = world.submit(W1)
    world.do(payouts.claim, payout, 1)
    with pytest.raises(Conflict):
        world.do(payouts.claim, payout, 1)
    world.do(answer_uncertain, payout, 1, "timeout")
    world.do(payouts.claim, payout, 2)
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.PROCESSING))
    with pytest.raises(Conflict):
        world.do(payouts.claim, payout, 3)
    assert world.do(answer_uncertain, payout, 2, "late") == []
    assert world.do(answer_declined, payout, "late") == []


def test_a_certain_refusal_gives_the_money_back_at_once() -> None:
    world = asking()
    payout = world.submit(W1)
    world.do(answer_declined, payout, "account_closed")
    assert world.payout_state(payout).phase is PayoutPhase.FAILED
    assert not world.payout_state(payout).waits_to_credit
    assert world.wallet("USD").available == 100_00
    assert world.balance("client:returned", "USD") == 0
    world.check()


def test_a_payout_that_the_provider_declined_and_shows_all_the_same_is_for_a_person() -> None:
    world = asking()
    payout = world.submit(W1)
    world.do(answer_declined, payout, "account_closed")
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.FAILED))
    assert world.all(ReviewOpened) == []
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.POSTED))
    assert len(world.all(ReviewOpened)) == 1
    assert world.wallet("USD").available == 100_00


def test_what_is_old_news_is_no_reason_for_a_review() -> None:
    """The control: a failed payout whose earlier steps arrive late."""
    world = asking()
    payout = world.submit(W1)
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.FAILED))
    world.tell(outbound(payout, "USD 40.00", PayoutStatus.POSTED))
    assert world.all(ReviewOpened) == []


def test_a_payout_in_another_currency_comes_back_at_the_conversion_with_which_it_left() -> None:
    world = World()
    world.verified()
    world.funded("d1", "USD 349.80", "USD")
    payout = world.paying_out("w1", "USD 349.80", currency="EUR")
    assert world.balance("payout:in-transit", "EUR") == 304_12
    world.tell(outbound(payout, "EUR 304.12", PayoutStatus.RETURNED))
    world.do(credit_return, payout, GATES)
    assert world.wallet("USD").available == 349_80
    assert world.balances() == {
        ("psp:clearing:stripe-eu", "USD"): 349_80,
        (f"client:wallet:{CLIENT}", "USD"): -349_80,
    }
    done = world.payout_state(payout).conversion
    assert done is not None
    assert (done.markup.minor, done.quote) == (0, RATES["USD", "EUR"])
