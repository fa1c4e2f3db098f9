"""A client's wallet in one currency: what is available, what is held, what is owed.

The state is folded from the postings themselves, so the wallet and the books cannot differ.
Three rules hold after every fact:

1. available, held and owed are never negative;
2. a debt exists only while nothing is available and nothing is contested: credits repay it first;
3. contested money (disputes) is one pool, full as far as there is money: nothing is available
   while a dispute wants more than the pool has.

So the end state is the same for any order of credits, disputes, losses and claims.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from ledger import facts
from ledger.chart import Account, client_account, wallet_accounts
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


class WalletState(msgspec.Struct, frozen=True, gc=False):
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
        return self.held - sum(self.holds.values()) if self.holds else self.held

    @property
    def wanted(self) -> int:
        """How much the disputes want."""
        return sum(self.contests.values()) if self.contests else 0

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


@lru_cache(maxsize=65_536)
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
    return _spread(state, amount.minor, state.wanted)


def debit_legs(state: WalletState, amount: Money) -> list[Posting]:
    """Debit what is available; refuse to overdraw.

    Raises:
        Conflict: the wallet is frozen (`wallet_frozen`).
        InsufficientFunds: less is available than asked for.
    """
    _same(state, amount)
    if state.frozen:
        raise Conflict("the wallet is frozen", code="wallet_frozen")
    if amount.minor > state.available:
        raise InsufficientFunds("the wallet does not hold this much")
    return [debit(_account(state, "client:wallet"), amount)]


def claim_legs(state: WalletState, amount: Money) -> list[Posting]:
    """Take money that is no longer the client's: what is there, the rest becomes debt.

    For what the provider has already taken (a refund in its dashboard): it cannot be refused,
    not even by a freeze. Contested money is taken too, or the order of a refund and a dispute
    would make a debt of one and none of the other.
    """
    _same(state, amount)
    return _spread(state, -amount.minor, state.wanted)


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
    return _spread(state, 0, state.wanted + amount.minor)


def uncontest_legs(state: WalletState, dispute: UUID) -> list[Posting]:
    """Give back what the pool of contested money no longer needs."""
    if dispute not in state.contests:
        raise NotFound("no such contest", code="no_such_contest")
    return _spread(state, 0, sum(_without(state.contests, dispute).values()))


def charge_legs(state: WalletState, dispute: UUID, amount: Money) -> list[Posting]:
    """Charge a lost dispute, held or not: what is there goes, the rest is debt.

    What the pool holds beyond the remaining disputes' wants after the charge is given back.
    """
    _same(state, amount)
    return _spread(state, -amount.minor, sum(_without(state.contests, dispute).values()))


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
        accounts = wallet_accounts(state.entity, state.client)
        spent, released, lent = moved.changes(accounts, state.currency).values()
        available, held, owed = available - spent, held - released, owed + lent
    whose = (state.entity, state.client, state.currency)
    holds = state.holds if holds is None else holds
    contests = state.contests if contests is None else contests
    new = WalletState(*whose, available, held, owed, holds, contests, state.frozen)
    contested, wanted = new.contested, new.wanted
    assert available >= 0, f"overdrawn: {new}"
    assert owed >= 0, f"repaid more than was owed: {new}"
    assert 0 <= contested <= wanted, f"the holds and the disputes do not add up: {new}"
    assert not (owed and (available or contested)), f"owes while it holds: {new}"
    assert not available or contested == wanted, f"kept from a dispute: {new}"
    return new


def _spread(state: WalletState, change: int, wanted: int) -> list[Posting]:
    """Move what is not under a hold by `change`, and put it where rules 2 and 3 want it."""
    pool = state.contested
    free = state.available + pool - state.owed + change
    there, owed = (free, 0) if free >= 0 else (0, -free)
    contested = min(there, wanted)
    available = there - contested
    moves = (state.available - available, pool - contested, owed - state.owed)
    assert sum(moves) == -change, "what the client gets is what is given"
    legs = zip(wallet_accounts(state.entity, state.client), moves, strict=True)
    return [Posting(account, state.currency, minor) for account, minor in legs if minor]


def _held(state: WalletState, hold: UUID) -> int:
    if hold not in state.holds:
        raise NotFound("no such hold", code="no_such_hold")
    return state.holds[hold]


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
