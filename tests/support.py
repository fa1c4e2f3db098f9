"""Books without a store, for tests of decisions: a command is recorded whole or not at all."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ledger.chart import KINDS, Side, kind_of
from ledger.journal import Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    import msgspec

    from ledger.decision import Fact, Kind, Stream

S = TypeVar("S", bound="msgspec.Struct")
F = TypeVar("F")

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Told(NamedTuple):
    """A recorded fact, where it stands and when it took effect."""

    stream: UUID
    fact: Fact
    at: datetime


class Draft:
    """The decision of one command."""

    def __init__(self, books: Books, at: datetime) -> None:
        self.at = at
        self.told: list[Told] = []
        self.states: dict[UUID, Any] = {}
        self.kinds: dict[UUID, Kind[Any]] = {}
        self._books = books

    def get(self, stream: Stream[S]) -> S:
        known = self.kinds.get(stream.id) or self._books.kinds.get(stream.id, stream.kind)
        assert known is stream.kind, f"{stream.id} is a {known.name}, not a {stream.kind.name}"
        if stream.id in self.states:
            state: S = self.states[stream.id]
            return state
        return self._books.state(stream)

    def record(self, stream: Stream[Any], fact: Fact, *, at: datetime | None = None) -> None:
        self.states[stream.id] = stream.kind.evolve(self.get(stream), fact)
        self.kinds[stream.id] = stream.kind
        self.told.append(Told(stream.id, fact, at or self.at))


class Books:
    """Every stream's state, and every fact in order."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.states: dict[UUID, Any] = {}
        self.kinds: dict[UUID, Kind[Any]] = {}

    def do(
        self, act: Callable[..., object], *args: Any, at: datetime = NOON, **named: Any
    ) -> list[Fact]:
        """Run one command; what it recorded is returned. A refusal leaves nothing behind."""
        draft = Draft(self, at)
        act(draft, *args, **named)
        self.told += draft.told
        self.states |= draft.states
        self.kinds |= draft.kinds
        return [told.fact for told in draft.told]

    def state(self, stream: Stream[S]) -> S:
        state: S = self.states.get(stream.id, stream.kind.blank)
        return state

    def all(self, kind: type[F]) -> list[F]:
        """Every recorded fact of a type."""
        return [told.fact for told in self.told if isinstance(told.fact, kind)]

    @property
    def entries(self) -> list[Entry]:
        """Every entry, in order; it stands in exactly one fact."""
        found = [getattr(told.fact, "entry", None) for told in self.told]
        return [entry for entry in found if isinstance(entry, Entry)]

    def balances(self) -> dict[tuple[str, str], int]:
        """Balance by account (without its entity) and currency, debit +, without zeros."""
        sums: Counter[tuple[str, str]] = Counter()
        for entry in self.entries:
            for posting in entry.postings:
                account = posting.account.partition(":")[2]
                sums[account, posting.currency] += posting.minor
        return {key: minor for key, minor in sorted(sums.items()) if minor}

    def balance(self, kind: str, currency: str) -> int:
        """The balance of all accounts of a kind, on their normal side."""
        sign = 1 if KINDS[kind].normal is Side.DEBIT else -1
        return sign * sum(
            minor
            for (account, other), minor in self.balances().items()
            if other == currency and kind_of(f"any:{account}").name == kind
        )

    def check(self) -> None:
        """Trial balance zero per currency; no balance on a side where the chart forbids it."""
        trial: Counter[str] = Counter()
        for (account, currency), minor in self.balances().items():
            trial[currency] += minor
            kind = kind_of(f"any:{account}")
            sign = 1 if kind.normal is Side.DEBIT else -1
            assert kind.flips or sign * minor >= 0, f"{account} {currency} stands at {minor}"
        assert not any(trial.values()), trial
