"""The log as a beancount file, in its own order: for a second pair of eyes on every balance.

Beancount wants five roots and names that begin with a capital, so an account's root follows from
its kind, and its own path stands in the metadata of the line that opens it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ledger.chart import Side, kind_of
from ledger.money import Money
from projections.log import entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ledger.chart import Account
    from ledger.decision import Event
    from ledger.journal import Entry

FIRST_DAY: Final = "1970-01-01"
_NOT_IN_NAME: Final = re.compile(r"[^A-Za-z0-9-]")
_NOT_IN_TEXT: Final = re.compile(r'[\s"\\]+')
_ROOTS: Final = {"income": "Income", "expense": "Expenses", "fx": "Equity"}


class Names:
    """Accounts under names that beancount takes; no two share one."""

    def __init__(self) -> None:
        self._names: dict[Account, str] = {}
        self._taken: set[str] = set()

    def __contains__(self, account: Account) -> bool:
        return account in self._names

    def __getitem__(self, account: Account) -> str:
        """Return the account's name, the same each time."""
        if account not in self._names:
            plain = name = _name(account)
            more = 2
            while name in self._taken:
                name, more = f"{plain}-{more}", more + 1
            self._taken.add(name)
            self._names[account] = name
        return self._names[account]


def beancount(events: Iterable[Event], names: Names | None = None) -> Iterator[str]:
    """Write a beancount file, a piece at a time.

    One transaction per entry: its date is the effective day (UTC); metadata say its position, when
    it was recorded and which fact it is.

    Args:
        names: learns the names of the accounts.
    """
    names = Names() if names is None else names
    for event in events:
        entry = entry_of(event)
        if entry is None:
            continue
        for posting in entry.postings:
            if posting.account not in names:
                opened = f"{FIRST_DAY} open {names[posting.account]}"
                yield f'{opened}\n  account: "{posting.account}"\n'
        yield _transaction(event, entry, names)


def _transaction(event: Event, entry: Entry, names: Names) -> str:
    lines = [
        f'\n{event.at.date()} * "{_NOT_IN_TEXT.sub(" ", entry.text)}"',
        f"  position: {event.position}",
        f'  recorded: "{event.recorded_at.isoformat()}"',
        f'  fact: "{event.fact.NAME}"',
    ]
    for posting in entry.postings:
        amount = Money(posting.minor, posting.currency).text()
        lines.append(f"  {names[posting.account]}  {amount} {posting.currency}")
    return "\n".join(lines) + "\n"


def _name(account: Account) -> str:
    kind = kind_of(account)
    usual = "Assets" if kind.normal is Side.DEBIT else "Liabilities"
    root = _ROOTS.get(kind.name.partition(":")[0], usual)
    parts = (_NOT_IN_NAME.sub("-", part) for part in account.split(":"))
    return ":".join((root, *(part[0].upper() + part[1:] for part in parts)))
