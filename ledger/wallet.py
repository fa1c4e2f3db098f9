"""A client's wallet in one currency: what is available, what is held, what is owed.

The state is folded from the postings themselves, so the wallet and the books cannot differ.
Three rules hold after every fact, in any order of facts:

1. available, held and owed are never negative;
2. a debt exists only while nothing is available: every credit repays it first;
3. contested money (disputes) is one pool that credits fill up to what the disputes want.

Rules 2 and 3 make the end state the same for any order of credits, disputes and losses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger import facts
from ledger.chart import Account, client_account
from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, InsufficientFunds, InvalidInput, NotFound
from ledger.ids import ClientId, EntityId, WalletId, child_id
from ledger.journal import Entry, Posting, credit, debit
from ledger.money import Money, asset

if TYPE_CHECKING:
    from datetime import datetime

HOLDS_MAX = 200
"""Open holds on one wallet; a client with more is a loop, not a person."""

_NOBODY = ClientId(UUID(int=0))


class WalletState(msgspec.Struct, frozen=True):
    """What the facts of one wallet amount to. Amounts are minor units of `currency`."""

    entity: EntityId = EntityId("")
    client: ClientId = _NOBODY
    currency: str = ""
    available: int = 0
    held: int = 0
    owed: int = 0
    holds: dict[UUID, int] = {}
    contests: dict[UUID, int] = {}
    frozen: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the wallet exists."""
        return bool(self.currency)

    @property
    def contested(self) -> int:
        """How much of the held money the disputes have."""
        return self.held - sum(self.holds.values())

    @property
    def contest_gap(self) -> int:
        """How much more the disputes want than they have."""
        return sum(self.contests.values()) - self.contested

    def money(self, minor: int) -> Money:
        """An amount in the wallet's currency."""
        return Money(minor, self.currency)


def evolve(state: WalletState, fact: Fact) -> WalletState:
    """Fold one fact into the wallet."""
    match fact:
        case facts.WalletOpened():
            return WalletState(fact.entity, fact.client, fact.currency)
        case facts.WalletCredited() | facts.WalletDebited():
            return _moved(state, fact.entry)
        case facts.HoldPlaced():
            holds = state.holds | {fact.hold: fact.minor}
            return _moved(state, fact.entry, holds=holds)
        case facts.HoldCaptured() | facts.HoldReleased() | facts.HoldExpired():
            return _moved(state, fact.entry, holds=_without(state.holds, fact.hold))
        case facts.FundsContested():
            contests = state.contests | {fact.dispute: fact.minor}
            return _moved(state, fact.entry, contests=contests)
        case facts.ContestReleased() | facts.ContestCharged():
            return _moved(state, fact.entry, contests=_without(state.contests, fact.dispute))
        case facts.WalletFrozen():
            return msgspec.structs.replace(state, frozen=True)
        case facts.WalletUnfrozen():
            return msgspec.structs.replace(state, frozen=False)
        case _:
            return state


WALLET: Kind[WalletState] = Kind("wallet", WalletState(), evolve)


def wallet_id(entity: EntityId, client: ClientId, currency: str) -> WalletId:
    """The id of a client's wallet in a currency."""
    return WalletId(child_id(client, entity, "wallet", currency))


def wallet(entity: EntityId, client: ClientId, currency: str) -> Stream[WalletState]:
    """Name a client's wallet."""
    return WALLET(wallet_id(entity, client, currency))


def open_wallet(
    decision: Decision, entity: EntityId, client: ClientId, currency: str
) -> WalletState:
    """Return the wallet, opened first where it does not exist yet."""
    stream = wallet(entity, client, currency)
    state = decision.get(stream)
    if not state.is_open:
        asset(currency)
        decision.record(stream, facts.WalletOpened(entity=entity, client=client, currency=currency))
        state = decision.get(stream)
    return state


def require_wallet(
    decision: Decision, entity: EntityId, client: ClientId, currency: str
) -> WalletState:
    """Return the wallet, or refuse: it was never opened."""
    state = decision.get(wallet(entity, client, currency))
    if not state.is_open:
        raise NotFound(f"no {currency} wallet", code="no_such_wallet")
    return state


# --- the wallet's side of an entry: `payments.bookings` puts the other side beside it ---


def credit_legs(state: WalletState, amount: Money) -> list[Posting]:
    """Credit the client: the debt first, then what disputes want, the rest is available."""
    _same(state, amount)
    repaid = min(amount.minor, state.owed)
    topped_up = min(amount.minor - repaid, max(0, state.contest_gap))
    free = amount.minor - repaid - topped_up
    assert repaid + topped_up + free == amount.minor
    return [
        credit(_account(state, "client:receivable"), state.money(repaid)),
        credit(_account(state, "client:held"), state.money(topped_up)),
        credit(_account(state, "client:wallet"), state.money(free)),
    ]


def debit_legs(state: WalletState, amount: Money) -> list[Posting]:
    """Debit what is available; refuse to overdraw.

    Raises:
        Conflict: the wallet is frozen (`wallet_frozen`).
        InsufficientFunds: less is available than asked for.
    """
    _same(state, amount)
    _refuse_frozen(state)
    if amount.minor > state.available:
        raise InsufficientFunds("the wallet does not hold this much")
    return [debit(_account(state, "client:wallet"), amount)]


def claim_legs(state: WalletState, amount: Money) -> list[Posting]:
    """Take money that is no longer the client's: what is available, the rest becomes debt.

    For what the provider has already taken (a refund in its dashboard): it cannot be refused,
    not even by a freeze.
    """
    _same(state, amount)
    paid = min(amount.minor, state.available)
    return [
        debit(_account(state, "client:wallet"), state.money(paid)),
        debit(_account(state, "client:receivable"), state.money(amount.minor - paid)),
    ]


def hold_legs(state: WalletState, amount: Money) -> list[Posting]:
    """Move available money under a hold; refuse to overdraw."""
    if len(state.holds) >= HOLDS_MAX:
        raise Conflict("too many open holds on this wallet", code="too_many_holds")
    return [*debit_legs(state, amount), credit(_account(state, "client:held"), amount)]


def capture_leg(state: WalletState, hold: UUID) -> Posting:
    """Take the whole hold out of the held money."""
    return debit(_account(state, "client:held"), state.money(_held(state, hold)))


def release_legs(state: WalletState, hold: UUID) -> list[Posting]:
    """Give the whole hold back to the client."""
    amount = state.money(_held(state, hold))
    return [debit(_account(state, "client:held"), amount), *credit_legs(state, amount)]


def contest_legs(state: WalletState, amount: Money) -> list[Posting]:
    """Hold what there is of a disputed amount. Nothing available: no legs."""
    _same(state, amount)
    there = state.money(min(amount.minor, state.available))
    return [
        debit(_account(state, "client:wallet"), there),
        credit(_account(state, "client:held"), there),
    ]


def uncontest_legs(state: WalletState, dispute: UUID) -> list[Posting]:
    """Give back what the pool of contested money no longer needs."""
    freed = state.money(_freed(state, dispute))
    rest = msgspec.structs.replace(
        state, contests=_without(state.contests, dispute), held=state.held - freed.minor
    )
    return [debit(_account(state, "client:held"), freed), *credit_legs(rest, freed)]


def charge_legs(state: WalletState, dispute: UUID, amount: Money) -> list[Posting]:
    """Charge a lost dispute: contested money first, then what is available, the rest is debt.

    What the pool holds beyond the remaining disputes' wants after the charge is given back.
    """
    _same(state, amount)
    wanted_after = sum(_without(state.contests, dispute).values())
    pool = state.contested
    from_pool = min(amount.minor, pool)
    from_wallet = min(amount.minor - from_pool, state.available)
    debt = amount.minor - from_pool - from_wallet
    surplus = max(0, pool - from_pool - wanted_after)
    assert from_pool + from_wallet + debt == amount.minor
    after = msgspec.structs.replace(state, owed=state.owed + debt, contests={}, holds={}, held=0)
    return [
        debit(_account(state, "client:held"), state.money(from_pool + surplus)),
        debit(_account(state, "client:wallet"), state.money(from_wallet)),
        debit(_account(state, "client:receivable"), state.money(debt)),
        *credit_legs(after, state.money(surplus)),
    ]


# --- commands on one wallet ---


def freeze(
    decision: Decision, entity: EntityId, client: ClientId, currency: str, reason: str
) -> None:
    """Freeze the wallet; a frozen wallet stays as it is."""
    if not require_wallet(decision, entity, client, currency).frozen:
        decision.record(wallet(entity, client, currency), facts.WalletFrozen(reason=reason))


def unfreeze(
    decision: Decision, entity: EntityId, client: ClientId, currency: str, reason: str
) -> None:
    """Lift the freeze, if there is one."""
    if require_wallet(decision, entity, client, currency).frozen:
        decision.record(wallet(entity, client, currency), facts.WalletUnfrozen(reason=reason))


def record(
    decision: Decision, state: WalletState, fact: Fact, *, at: datetime | None = None
) -> WalletState:
    """Record a fact of this wallet and return its new state."""
    stream = wallet(state.entity, state.client, state.currency)
    decision.record(stream, fact, at=at)
    return decision.get(stream)


def _moved(
    state: WalletState,
    moved: Entry | None,
    *,
    holds: dict[UUID, int] | None = None,
    contests: dict[UUID, int] | None = None,
) -> WalletState:
    available, held, owed = state.available, state.held, state.owed
    if moved is not None:
        available -= moved.change(_account(state, "client:wallet"), state.currency)
        held -= moved.change(_account(state, "client:held"), state.currency)
        owed += moved.change(_account(state, "client:receivable"), state.currency)
    new = WalletState(
        state.entity,
        state.client,
        state.currency,
        available,
        held,
        owed,
        state.holds if holds is None else holds,
        state.contests if contests is None else contests,
        state.frozen,
    )
    assert available >= 0, f"overdrawn: {new}"
    assert owed >= 0, f"repaid more than was owed: {new}"
    assert new.contested >= 0, f"held less than the holds: {new}"
    assert not (available and owed), f"owes while it holds: {new}"
    return new


def _freed(state: WalletState, dispute: UUID) -> int:
    if dispute not in state.contests:
        raise NotFound("no such contest", code="no_such_contest")
    wanted_after = sum(_without(state.contests, dispute).values())
    return max(0, state.contested - wanted_after)


def _held(state: WalletState, hold: UUID) -> int:
    if hold not in state.holds:
        raise NotFound("no such hold", code="no_such_hold")
    return state.holds[hold]


def _refuse_frozen(state: WalletState) -> None:
    if state.frozen:
        raise Conflict("the wallet is frozen", code="wallet_frozen")


def _same(state: WalletState, amount: Money) -> None:
    if amount.currency != state.currency:
        raise InvalidInput(
            f"{amount.currency} does not belong in a {state.currency} wallet",
            code="currency_mismatch",
        )
    assert amount.minor >= 0, f"amounts are never negative here: {amount}"


def _account(state: WalletState, kind: str) -> Account:
    return client_account(state.entity, kind, state.client)


def _without(amounts: dict[UUID, int], key: UUID) -> dict[UUID, int]:
    return {k: v for k, v in amounts.items() if k != key}
