"""Postings, balances and day balances: what every entry of the log moved."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ledger.chart import entity_of, kind_of, owner_of
from ledger.journal import POSTINGS_MAX
from projections.log import entry_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from ledger.chart import Account
    from projections.log import Told
    from projections.rows import Target

TABLES: Final = ("posting", "balance", "day_balance")
POSTING: Final = (
    *("position", "leg", "account", "entity", "kind", "owner", "currency", "minor"),
    *("effective_at", "recorded_at", "stream", "fact", "text"),
)
BALANCE: Final = (
    *("account", "currency", "entity", "kind", "owner", "minor", "ordinal", "position"),
)
DAY_BALANCE: Final = ("account", "currency", "day", "minor", "newest", "position")
ADD_BALANCE: Final = "minor = balance.minor + excluded.minor, position = excluded.position"
ADD_DAY: Final = """
minor = day_balance.minor + excluded.minor,
newest = greatest(day_balance.newest, excluded.newest),
position = excluded.position
"""


class Moved:
    """What a batch moved on one account and currency (and day)."""

    __slots__ = ("first", "last", "minor", "newest")

    def __init__(self, first: int) -> None:
        self.first = first
        self.minor = 0

    def add(self, minor: int, position: int, newest: datetime) -> None:
        """Add one posting; postings come in log order."""
        self.minor += minor
        self.last = position
        self.newest = newest


class Postings:
    """The projection behind every balance."""

    tables = TABLES

    def fold(self, events: Sequence[Told], target: Target) -> None:
        """Write the batch's postings, and add them to the balances."""
        lines: list[str] = []
        days: dict[tuple[Account, str, date], Moved] = {}
        for event in events:
            entry = entry_of(event)
            if entry is None:
                continue
            position, day, recorded_at = event.position, event.at.date(), event.recorded_at
            tail = (
                f"\t{event.at.isoformat()}\t{recorded_at.isoformat()}\t{event.stream_id}"
                f"\t{event.fact.NAME}\t{_escaped(entry.text)}\n"
            )
            for leg, posting in enumerate(entry.postings):
                account, currency, minor = posting.account, posting.currency, posting.minor
                lines.append(
                    f"{position}\t{leg}\t{_described(account)}\t{_escaped(currency)}\t{minor}{tail}"
                )
                moved = days.get((account, currency, day))
                if moved is None:
                    moved = days[account, currency, day] = Moved(ordinal(position, leg))
                moved.add(minor, position, recorded_at)
        if lines:
            target.copy_lines("posting", POSTING, "".join(lines))
            _add_days(days, target)
            _add_balances(days, target)


def ordinal(position: int, leg: int) -> int:
    """Number the postings of the log: the order in which accounts first appear, and a cursor."""
    return position * POSTINGS_MAX + leg


def _add_days(days: dict[tuple[Account, str, date], Moved], target: Target) -> None:
    rows = (
        (account, currency, day, moved.minor, moved.newest, moved.last)
        for (account, currency, day), moved in days.items()
    )
    target.merge("day_balance", DAY_BALANCE, ("account", "currency", "day"), rows, ADD_DAY)


def _add_balances(days: dict[tuple[Account, str, date], Moved], target: Target) -> None:
    sums: dict[tuple[Account, str], list[int]] = {}
    for (account, currency, _), moved in days.items():
        total = sums.setdefault((account, currency), [0, moved.first, moved.last])
        total[0] += moved.minor
        total[1] = min(total[1], moved.first)
        total[2] = max(total[2], moved.last)
    rows = (
        (
            account,
            currency,
            entity_of(account),
            kind_of(account).name,
            owner_of(account),
            minor,
            first,
            last,
        )
        for (account, currency), (minor, first, last) in sums.items()
    )
    target.merge("balance", BALANCE, ("account", "currency"), rows, ADD_BALANCE)


@lru_cache(maxsize=65_536)
def _described(account: Account) -> str:
    """Write the columns account, entity, kind and owner; a path of the chart needs no escape."""
    owner = owner_of(account) or "\\N"
    return f"{account}\t{entity_of(account)}\t{kind_of(account).name}\t{owner}"


@lru_cache(maxsize=4_096)
def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
