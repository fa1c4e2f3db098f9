"""The wallet against a ten-line model: in any order of what happens, the same end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger import wallet as wallets
from ledger.chart import client_account, house_account
from ledger.errors import Conflict, InsufficientFunds, InvalidInput, NotFound
from ledger.facts import (
    ContestCharged,
    ContestReleased,
    FundsContested,
    HoldCaptured,
    HoldPlaced,
    HoldReleased,
    WalletCredited,
    WalletDebited,
)
from ledger.ids import ClientId, EntityId
from ledger.journal import Entry, Posting, entry
from ledger.money import Money
from tests.support import Books

if TYPE_CHECKING:
    from ledger.decision import Fact

ENTITY = EntityId("acme-cy")
CLIENT = ClientId(UUID(int=7))
CURRENCIES = ("USD", "JPY", "KWD")


class Purse(Books):
    """One wallet, and the house on the other side of every entry."""

    def __init__(self, currency: str = "USD") -> None:
        super().__init__()
        self.currency = currency
        self.do(wallets.open_wallet, ENTITY, CLIENT, currency)

    @property
    def now(self) -> wallets.WalletState:
        return self.state(wallets.wallet(ENTITY, CLIENT, self.currency))

    def _record(self, make: Callable[[Entry], Fact], legs: list[Posting]) -> None:
        rest = -sum(leg.minor for leg in legs)
        house = Posting(house_account(ENTITY, "fx:position"), self.currency, rest)
        booked = entry("test", [*legs, house])
        self.do(lambda decision: wallets.record(decision, self.now, make(booked)))

    def credit(self, minor: int, cause: int = 0) -> None:
        legs = wallets.credit_legs(self.now, Money(minor, self.currency))
        self._record(lambda e: WalletCredited(cause=UUID(int=cause), entry=e), legs)

    def spend(self, minor: int, cause: int = 0) -> None:
        legs = wallets.debit_legs(self.now, Money(minor, self.currency))
        self._record(lambda e: WalletDebited(cause=UUID(int=cause), entry=e), legs)

    def claim(self, minor: int, cause: int = 0) -> None:
        legs = wallets.claim_legs(self.now, Money(minor, self.currency))
        self._record(lambda e: WalletDebited(cause=UUID(int=cause), entry=e), legs)

    def hold(self, hold: int, minor: int) -> None:
        legs = wallets.hold_legs(self.now, Money(minor, self.currency))
        self._record(lambda e: HoldPlaced(hold=UUID(int=hold), minor=minor, entry=e), legs)

    def capture(self, hold: int) -> None:
        leg = wallets.capture_leg(self.now, UUID(int=hold))
        self._record(lambda e: HoldCaptured(hold=UUID(int=hold), entry=e), [leg])

    def release(self, hold: int) -> None:
        legs = wallets.release_legs(self.now, UUID(int=hold))
        self._record(lambda e: HoldReleased(hold=UUID(int=hold), entry=e), legs)

    def contest(self, dispute: int, minor: int) -> None:
        legs = wallets.contest_legs(self.now, Money(minor, self.currency))
        booked = entry("contest", legs) if legs else None
        fact = FundsContested(dispute=UUID(int=dispute), minor=minor, entry=booked)
        self.do(lambda decision: wallets.record(decision, self.now, fact))

    def uncontest(self, dispute: int) -> None:
        legs = wallets.uncontest_legs(self.now, UUID(int=dispute))
        fact = ContestReleased(dispute=UUID(int=dispute), entry=entry("x", legs) if legs else None)
        self.do(lambda decision: wallets.record(decision, self.now, fact))

    def charge(self, dispute: int, minor: int) -> None:
        legs = wallets.charge_legs(self.now, UUID(int=dispute), Money(minor, self.currency))
        self._record(lambda e: ContestCharged(dispute=UUID(int=dispute), entry=e), legs)

    def freeze(self) -> None:
        self.do(wallets.freeze, ENTITY, CLIENT, self.currency, "test")

    def unfreeze(self) -> None:
        self.do(wallets.unfreeze, ENTITY, CLIENT, self.currency, "test")

    def stands(self) -> tuple[int, int, int]:
        return (self.now.available, self.now.held, self.now.owed)


@dataclass
class Model:
    """What a wallet is, in ten lines: money that is not under a hold, holds, and wants."""

    free: int = 0
    holds: dict[int, int] = field(default_factory=dict)
    wants: dict[int, int] = field(default_factory=dict)
    frozen: bool = False

    def stands(self) -> tuple[int, int, int]:
        contested = min(max(0, self.free), sum(self.wants.values()))
        held = contested + sum(self.holds.values())
        return (max(0, self.free) - contested, held, max(0, -self.free))


amounts = st.integers(min_value=1, max_value=10**6)
few = st.integers(min_value=1, max_value=5)


class WalletMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.purse, self.model = Purse(), Model()

    @rule(minor=amounts)
    def credit(self, minor: int) -> None:
        self.purse.credit(minor)
        self.model.free += minor

    @rule(minor=amounts)
    def claim(self, minor: int) -> None:
        self.purse.claim(minor)
        self.model.free -= minor

    @rule(minor=amounts)
    def spend(self, minor: int) -> None:
        available = self.model.stands()[0]
        if self.model.frozen:
            with pytest.raises(Conflict):
                self.purse.spend(minor)
        elif minor > available:
            with pytest.raises(InsufficientFunds):
                self.purse.spend(minor)
        else:
            self.purse.spend(minor)
            self.model.free -= minor

    @rule(hold=few, minor=amounts)
    def hold(self, hold: int, minor: int) -> None:
        if hold in self.model.holds:
            return
        if self.model.frozen or minor > self.model.stands()[0]:
            with pytest.raises((Conflict, InsufficientFunds)):
                self.purse.hold(hold, minor)
        else:
            self.purse.hold(hold, minor)
            self.model.free -= minor
            self.model.holds[hold] = minor

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def end_a_hold(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from(sorted(self.model.holds)))
        minor = self.model.holds.pop(hold)
        if data.draw(st.booleans()):
            self.purse.capture(hold)
        else:
            self.purse.release(hold)
            self.model.free += minor

    @rule(dispute=few, minor=amounts)
    def contest(self, dispute: int, minor: int) -> None:
        if dispute not in self.model.wants:
            self.purse.contest(dispute, minor)
            self.model.wants[dispute] = minor

    @precondition(lambda self: self.model.wants)
    @rule(data=st.data())
    def release_a_contest(self, data: st.DataObject) -> None:
        dispute = data.draw(st.sampled_from(sorted(self.model.wants)))
        self.purse.uncontest(dispute)
        del self.model.wants[dispute]

    @rule(dispute=few, minor=amounts)
    def lose(self, dispute: int, minor: int) -> None:
        """A dispute may be lost that was never held, and by another amount than was."""
        self.purse.charge(dispute, minor)
        self.model.wants.pop(dispute, None)
        self.model.free -= minor

    @rule()
    def freeze_or_lift(self) -> None:
        (self.purse.unfreeze if self.model.frozen else self.purse.freeze)()
        self.model.frozen = not self.model.frozen

    @invariant()
    def stands_where_the_model_stands(self) -> None:
        assert self.purse.stands() == self.model.stands()
        assert self.purse.now.frozen == self.model.frozen
        balances = self.purse.balances()
        booked = tuple(
            sign * balances.get((f"{kind}:{CLIENT}", "USD"), 0)
            for kind, sign in (("client:wallet", -1), ("client:held", -1), ("client:receivable", 1))
        )
        assert booked == self.purse.stands()
        self.purse.check()


TestWallet = WalletMachine.TestCase


# --- order ---

steps = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), amounts),
        st.tuples(st.just("claim"), amounts),
        st.tuples(st.just("contest"), amounts),
        st.tuples(st.just("lose"), amounts),
    ),
    min_size=2,
    max_size=7,
)


def play(currency: str, order: list[tuple[int, str, int]]) -> tuple[object, ...]:
    purse = Purse(currency)
    for number, what, minor in order:
        match what:
            case "credit":
                purse.credit(minor)
            case "claim":
                purse.claim(minor)
            case "contest":
                purse.contest(number, minor)
            case _:
                purse.charge(number, minor)
    return (*purse.stands(), tuple(sorted(purse.now.contests.items())))


@given(st.sampled_from(CURRENCIES), steps, st.randoms(use_true_random=False))
def test_the_end_is_the_same_in_any_order(
    currency: str, said: list[tuple[str, int]], chance: object
) -> None:
    order = [(number, *step) for number, step in enumerate(said)]
    shuffled = list(order)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert play(currency, order) == play(currency, shuffled)


def test_without_set_off_against_the_debt_the_order_decides() -> None:
    """The control: a wallet whose credits did not repay the debt first."""

    def careless(order: tuple[int, ...]) -> tuple[int, int]:
        available, owed = 0, 0
        for minor in order:
            if minor > 0:
                available += minor
            else:
                paid = min(available, -minor)
                available, owed = available - paid, owed - minor - paid
        return available, owed

    facts = (100, -80, -50, 60)
    assert len({careless(order) for order in permutations(facts)}) > 1
    ends = set()
    for order in permutations(facts):
        purse = Purse()
        for minor in order:
            (purse.credit if minor > 0 else purse.claim)(abs(minor))
        ends.add(purse.stands())
    assert ends == {(30, 0, 0)}


# --- by example ---


def test_refuses_to_overdraw() -> None:
    purse = Purse()
    purse.credit(100)
    with pytest.raises(InsufficientFunds):
        purse.spend(101)
    with pytest.raises(InsufficientFunds):
        purse.hold(1, 101)
    purse.spend(100)
    assert purse.stands() == (0, 0, 0)


def test_held_money_cannot_be_held_again() -> None:
    purse = Purse()
    purse.credit(100)
    purse.hold(1, 70)
    with pytest.raises(InsufficientFunds):
        purse.hold(2, 31)
    purse.release(1)
    purse.hold(2, 31)
    assert purse.stands() == (69, 31, 0)


def test_a_frozen_wallet_lets_nothing_out_and_everything_in() -> None:
    purse = Purse()
    purse.credit(100)
    purse.hold(1, 10)
    purse.freeze()
    with pytest.raises(Conflict) as refused:
        purse.spend(1)
    assert refused.value.public_code == "wallet_frozen"
    with pytest.raises(Conflict) as refused:
        purse.hold(2, 1)
    assert refused.value.public_code == "wallet_frozen"
    purse.credit(5)
    purse.claim(3)
    purse.contest(1, 50)
    purse.release(1)
    assert purse.stands() == (52, 50, 0)
    purse.unfreeze()
    purse.spend(52)


def test_a_dispute_takes_no_money_that_is_held_for_a_withdrawal() -> None:
    purse = Purse()
    purse.credit(100)
    purse.hold(1, 80)
    purse.contest(1, 100)
    assert purse.stands() == (0, 100, 0)
    purse.capture(1)
    assert purse.stands() == (0, 20, 0)
    purse.charge(1, 100)
    assert purse.stands() == (0, 0, 80)


def test_a_loss_that_was_never_held_leaves_the_other_disputes_their_hold() -> None:
    purse = Purse()
    purse.credit(150)
    purse.contest(1, 100)
    purse.charge(2, 50)
    assert purse.stands() == (0, 100, 0)


def test_a_credit_fills_the_debt_then_the_disputes_then_the_wallet() -> None:
    purse = Purse("KWD")
    purse.claim(1_000)
    purse.contest(1, 500)
    purse.credit(1_200)
    assert purse.stands() == (0, 200, 0)
    purse.credit(400)
    assert purse.stands() == (100, 500, 0)


def test_refuses_another_currency_and_unknown_holds() -> None:
    purse = Purse("JPY")
    with pytest.raises(InvalidInput):
        wallets.credit_legs(purse.now, Money(1, "USD"))
    with pytest.raises(NotFound):
        purse.capture(9)
    with pytest.raises(NotFound):
        purse.release(9)
    with pytest.raises(NotFound):
        purse.uncontest(9)


def test_refuses_the_hold_after_the_last() -> None:
    purse = Purse()
    purse.credit(wallets.HOLDS_MAX + 1)
    for number in range(wallets.HOLDS_MAX):
        purse.hold(number, 1)
    with pytest.raises(Conflict) as refused:
        purse.hold(wallets.HOLDS_MAX, 1)
    assert refused.value.public_code == "too_many_holds"


def test_a_wallet_that_was_never_opened_does_not_exist() -> None:
    books = Books()
    with pytest.raises(NotFound):
        books.do(wallets.require_wallet, ENTITY, CLIENT, "USD")
    with pytest.raises(NotFound):
        books.do(wallets.freeze, ENTITY, CLIENT, "USD", "test")
    books.do(wallets.open_wallet, ENTITY, CLIENT, "USD")
    assert books.do(wallets.open_wallet, ENTITY, CLIENT, "USD") == []


def test_an_entry_that_breaks_the_rules_cannot_be_folded() -> None:
    """The state is folded from the postings: one that overdraws is a bug, not a state."""
    purse = Purse()
    stolen = [
        Posting(client_account(ENTITY, "client:wallet", CLIENT), "USD", 1),
        Posting(house_account(ENTITY, "fx:position"), "USD", -1),
    ]
    fact = WalletDebited(cause=UUID(int=1), entry=entry("theft", stolen))
    with pytest.raises(AssertionError):
        purse.do(lambda decision: wallets.record(decision, purse.now, fact))
