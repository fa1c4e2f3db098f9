"""All balances out of the log at speed: what replay means, without the read models.

The server strings the states of a page together, one JSON list for each name, and of each state
only the entry is read. A page that is not plain in this sense (an older form, bytes of no such
form) is folded through the vocabulary instead, which upcasts or says what is wrong. Entries are
added up as they stand: whether the log may be believed is for `verify` to say.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg.sql import SQL, Identifier, Literal

from ledger.errors import LogUnreadable
from ledger.store.tables import SCHEMA
from projections.log import LOG, entry_of, events_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection
    from psycopg.sql import Composed

    from ledger.store.codec import Vocabulary

    Tell = Callable[[int, int], None]
    Sums = dict[tuple[str, str], int]

PAGE: Final = 1_000
"""Rows that are read at a time: few enough for what they say to stay in the processor's cache."""
TOLD_EVERY: Final = 50
"""Pages between two words about how far it is."""
STATES: Final = """
SELECT name, count(*), '['::bytea
    || string_agg(state, ','::bytea) FILTER (WHERE name = ANY({carriers})) || ']'::bytea
FROM {log} WHERE position > %s AND position <= %s GROUP BY name
"""


class _Posting(msgspec.Struct, array_like=True, gc=False):
    account: str
    currency: str
    minor: int


class _Entry(msgspec.Struct, array_like=True, gc=False):
    text: str
    postings: list[_Posting]


class _Data(msgspec.Struct, gc=False):
    entry: _Entry | None = None


class _Told(msgspec.Struct, gc=False):
    v: int
    at: datetime
    data: _Data


_PLAIN: Final = msgspec.json.Decoder(list[_Told])


def fold(
    connection: Connection[Any],
    vocabulary: Vocabulary,
    until: int,
    *,
    effective: datetime | None = None,
    tell: Tell | None = None,
) -> Sums:
    """Add up every posting up to a position: minor units (debit +) by account and currency.

    Args:
        connection: in autocommit, of a role that reads the log.
        until: the last position; it must be there.
        effective: count only the events that are effective until then.
        tell: hears the position reached, and the last one.

    Raises:
        Broken: a position is missing.
        LogUnreadable: a name, a version or bytes that this program does not know, or entries that
            do not balance.
    """
    query = _states(vocabulary)
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    with connection.cursor(binary=True) as cursor:
        for number, after in enumerate(range(0, until, PAGE)):
            stop = min(after + PAGE, until)
            rows = cursor.execute(query, (after, stop)).fetchall()
            plain = _plain(rows, vocabulary, stop - after)
            if plain is None:
                _add_slowly(connection, vocabulary, after, stop, effective, sums)
            else:
                _add(plain, effective, sums)
            if tell is not None and number % TOLD_EVERY == 0:
                tell(stop, until)
    _check_balance(sums, until)
    return dict(sums)


def _plain(
    rows: list[tuple[str, int, bytes | None]], vocabulary: Vocabulary, expected: int
) -> list[_Told] | None:
    """Read a page's entries; None where a row is missing, unknown or not in its present form."""
    found: list[_Told] = []
    seen = 0
    for name, count, states in rows:
        fact = vocabulary.facts.get(name)
        if fact is None:
            return None
        seen += count
        if states is not None:
            try:
                told = _PLAIN.decode(states)
            except msgspec.DecodeError:
                return None
            version = fact.VERSION
            if len(told) != count or any(each.v != version for each in told):
                return None
            found += told
    return found if seen == expected else None


def _add(
    page: list[_Told], effective: datetime | None, sums: defaultdict[tuple[str, str], int]
) -> None:
    for told in page:
        entry = told.data.entry
        if entry is not None and (effective is None or told.at <= effective):
            for posting in entry.postings:
                sums[posting.account, posting.currency] += posting.minor


def _add_slowly(
    connection: Connection[Any],
    vocabulary: Vocabulary,
    after: int,
    until: int,
    effective: datetime | None,
    sums: defaultdict[tuple[str, str], int],
) -> None:
    events = events_after(connection, vocabulary, after, until - after)
    if len(events) != until - after:
        raise LogUnreadable(f"the log ends at {after + len(events)}, before {until}")
    for event in events:
        entry = entry_of(event)
        if entry is not None and (effective is None or event.at <= effective):
            for posting in entry.postings:
                sums[posting.account, posting.currency] += posting.minor


def _check_balance(sums: Sums, until: int) -> None:
    by_currency: defaultdict[str, int] = defaultdict(int)
    for (_, currency), minor in sums.items():
        by_currency[currency] += minor
    off = {currency: minor for currency, minor in by_currency.items() if minor}
    if off:
        words = f"the entries up to {until} are off by {off}"
        raise LogUnreadable(f"{words}: `counterfoil verify` names the row")


def _states(vocabulary: Vocabulary) -> Composed:
    carriers = [name for name, fact in vocabulary.facts.items() if "entry" in _fields(fact)]
    return SQL(STATES).format(log=Identifier(SCHEMA, LOG.name), carriers=Literal(carriers))


def _fields(fact: type[msgspec.Struct]) -> tuple[str, ...]:
    return fact.__struct_fields__
