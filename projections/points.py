"""The books at a point of the log, and what changed between two: by account, with the events.

A point is a position, or a time on one of two clocks. Recorded time (when we learned of it) never
runs backwards in the log, so it names a position. Effective time (when it happened in the world)
does: a point on that clock counts every event of the log as it is now that is effective until
then, backdated ones included.
"""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ledger.errors import InvalidInput
from ledger.store.chain import Broken
from projections.fold import fold
from projections.log import LOG, entry_of, head, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Connection

    from ledger.decision import Event
    from ledger.store.codec import Vocabulary

    Tell = Callable[[int, int], None]

RECORDED: Final = LOG.sql("SELECT recorded_at FROM {log} WHERE position = %s")


class Point(msgspec.Struct, frozen=True):
    """The log up to a position; where `effective` is set, only what was effective until then."""

    position: int
    effective: datetime | None = None

    def counts(self, event: Event) -> bool:
        """Tell whether the event is part of the books at this point."""
        return event.position <= self.position and (
            self.effective is None or event.at <= self.effective
        )


class State(msgspec.Struct, frozen=True):
    """What every account held at a point, in minor units (debit +); zeros are left out."""

    point: Point
    balances: dict[tuple[str, str], int]


class Change(msgspec.Struct, frozen=True):
    """What one event moved on one account and currency."""

    position: int
    effective_at: datetime
    recorded_at: datetime
    fact: str
    text: str
    by: str
    minor: int


class Moved(msgspec.Struct, frozen=True):
    """One account in one currency: its balance at both points, and the events between them.

    Attributes:
        events: how many there are; `changes` holds the last of them.
    """

    account: str
    currency: str
    before: int
    after: int
    events: int
    changes: tuple[Change, ...]

    @property
    def minor(self) -> int:
        """What the events between the two points amount to."""
        return self.after - self.before


class Difference(msgspec.Struct, frozen=True):
    """Every account that an event between two points moved, in the order of their names."""

    earlier: Point
    later: Point
    accounts: tuple[Moved, ...]


def at_position(connection: Connection[Any], position: int) -> Point:
    """Name the point at which this position was the newest.

    Raises:
        InvalidInput: the log does not reach it (`point_beyond_head`), or there is no such position
            (`point_unreadable`).
    """
    if position < 0:
        raise InvalidInput("positions begin at 1; 0 is before all", code="point_unreadable")
    newest = head(connection)
    if position > newest:
        words = f"the log ends at position {newest}, before {position}"
        raise InvalidInput(words, code="point_beyond_head")
    return Point(position)


def at_time(connection: Connection[Any], moment: datetime, *, effective: bool = False) -> Point:
    """Name the point at a time: what we had recorded by then, or what was effective by then."""
    newest = head(connection)
    if effective:
        return Point(newest, moment)
    low, high = 0, newest
    while low < high:
        middle = (low + high + 1) // 2
        if _recorded_at(connection, middle) <= moment:
            low = middle
        else:
            high = middle - 1
    return Point(low)


def state_at(
    connection: Connection[Any], vocabulary: Vocabulary, point: Point, tell: Tell | None = None
) -> State:
    """Fold the log up to a point.

    Raises:
        Broken, LogUnreadable: the log cannot be folded.
    """
    sums = fold(connection, vocabulary, point.position, effective=point.effective, tell=tell)
    return State(point, {key: sums[key] for key in sorted(sums) if sums[key]})


def difference(
    connection: Connection[Any],
    vocabulary: Vocabulary,
    earlier: Point,
    later: Point,
    *,
    last: int,
    tell: Tell | None = None,
) -> Difference:
    """Tell what changed from one point to another, by account, with the events that changed it.

    Args:
        last: events to keep of each account; all of them are counted and summed.
        tell: hears the position reached while the earlier state is folded, and its last one.

    Raises:
        InvalidInput: the later point comes first (`points_reversed`), or they are on different
            clocks (`points_mixed`).
        Broken, LogUnreadable: the log cannot be folded.
    """
    _check_order(earlier, later)
    before = state_at(connection, vocabulary, earlier, tell).balances
    moved: dict[tuple[str, str], _Account] = {}
    for event in _between(connection, vocabulary, earlier, later):
        entry = entry_of(event)
        by_account: defaultdict[tuple[str, str], int] = defaultdict(int)
        for posting in entry.postings if entry else ():
            by_account[posting.account, posting.currency] += posting.minor
        for key, minor in by_account.items():
            if key not in moved:
                moved[key] = _Account(before.get(key, 0), last)
            moved[key].add(event, entry.text if entry else "", minor)
    accounts = (moved[key].told(*key) for key in sorted(moved))
    return Difference(earlier, later, tuple(accounts))


class _Account:
    def __init__(self, before: int, last: int) -> None:
        self._before = self._after = before
        self._events = 0
        self._changes: deque[Change] = deque(maxlen=last)

    def add(self, event: Event, text: str, minor: int) -> None:
        self._after += minor
        self._events += 1
        self._changes.append(
            Change(
                event.position,
                event.at,
                event.recorded_at,
                event.fact.NAME,
                text,
                event.by,
                minor,
            )
        )

    def told(self, account: str, currency: str) -> Moved:
        changes = tuple(self._changes)
        return Moved(account, currency, self._before, self._after, self._events, changes)


def _between(
    connection: Connection[Any], vocabulary: Vocabulary, earlier: Point, later: Point
) -> Iterator[Event]:
    """Walk through the events of the later point that the earlier one does not count."""
    start = earlier.position if later.effective is None else 0
    for page in walk(connection, vocabulary, start):
        for event in page:
            if event.position > later.position:
                return
            if later.counts(event) and not earlier.counts(event):
                yield event


def _check_order(earlier: Point, later: Point) -> None:
    if (earlier.effective is None) != (later.effective is None):
        raise InvalidInput("name two points on the same clock", code="points_mixed")
    if earlier.effective is not None and later.effective is not None:
        backwards = later.effective < earlier.effective
    else:
        backwards = later.position < earlier.position
    if backwards:
        raise InvalidInput("name the earlier point first", code="points_reversed")


def _recorded_at(connection: Connection[Any], position: int) -> datetime:
    row = connection.execute(RECORDED, (position,)).fetchone()
    if row is None:
        raise Broken(position, "missing: a later one is there")
    moment: datetime = row[0]
    return moment
