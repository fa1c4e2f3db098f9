"""Explains a balance: down to its events, entries, rates and requests, as a tree of data."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from ledger.chart import Account, kind_of
from ledger.journal import Posting
from projections.balances import balance, normal_side
from projections.log import entry_of, events_at
from projections.trails import FxRow, RequestRow, chains, request_of

if TYPE_CHECKING:
    from psycopg import Connection

    from ledger.store.codec import Vocabulary
    from projections.log import Told

MOVED_BY: Final = """
SELECT position, sum(minor) FROM read.posting
WHERE account = %(account)s AND currency = %(currency)s
GROUP BY position ORDER BY position DESC LIMIT %(limit)s
"""
COUNT: Final = """
SELECT count(DISTINCT position) FROM read.posting WHERE account = %s AND currency = %s
"""


class Cause(msgspec.Struct, frozen=True):
    """The fact because of which something was recorded."""

    position: int
    fact: str
    by: str


class Movement(msgspec.Struct, frozen=True):
    """One event that moved the balance.

    Attributes:
        minor: what it moved here, on the account's normal side.
        balance: what stood here after it, in the order of recording.
        legs: the whole entry, debit +.
        subject: the deposit, withdrawal, dispute … that it belongs to.
        rates: the conversions of that subject.
        request: the keyed request that recorded it, if there was a key.
        cause: the event that made a worker record it, if one did.
    """

    position: int
    effective_at: datetime
    recorded_at: datetime
    fact: str
    by: str
    text: str
    minor: int
    balance: int
    legs: tuple[Posting, ...]
    subject: UUID
    rates: tuple[FxRow, ...]
    request: RequestRow | None
    cause: Cause | None


class Explanation(msgspec.Struct, frozen=True):
    """A balance and what made it, oldest first; `earlier` movements are summed in `opening`.

    Amounts are minor units on the account's normal side.
    """

    account: str
    words: str
    currency: str
    minor: int
    opening: int
    earlier: int
    movements: tuple[Movement, ...]


def explain(
    connection: Connection[Any],
    vocabulary: Vocabulary,
    account: str,
    currency: str,
    *,
    limit: int = 100,
) -> Explanation:
    """Explain an account's balance by the last `limit` events that moved it.

    Args:
        connection: of a role that reads the log and the read models.

    Raises:
        InvalidInput: the account is none of the chart (`unknown_account`).
    """
    kind = kind_of(Account(account))
    stands = normal_side(balance(connection, account, currency), kind.name)
    params = {"account": account, "currency": currency, "limit": limit}
    moved = {
        position: normal_side(int(minor), kind.name)
        for position, minor in reversed(connection.execute(MOVED_BY, params).fetchall())
    }
    count = connection.execute(COUNT, (account, currency)).fetchone()
    assert count is not None, "an aggregate has a row"
    opening = stands - sum(moved.values())
    return Explanation(
        account=account,
        words=kind.words,
        currency=currency,
        minor=stands,
        opening=opening,
        earlier=int(count[0]) - len(moved),
        movements=_movements(connection, vocabulary, moved, opening),
    )


def _movements(
    connection: Connection[Any], vocabulary: Vocabulary, moved: dict[int, int], running: int
) -> tuple[Movement, ...]:
    events = events_at(connection, vocabulary, moved)
    whys = events_at(connection, vocabulary, {e.why for e in events.values() if e.why is not None})
    rates: dict[UUID, list[FxRow]] = defaultdict(list)
    for row in chains(connection, list({subject_of(event) for event in events.values()})):
        rates[row.subject].append(row)
    movements = []
    for position, minor in moved.items():
        event = events[position]
        entry = entry_of(event)
        assert entry is not None, f"position {position} has postings and no entry"
        running += minor
        subject = subject_of(event)
        movements.append(
            Movement(
                position=position,
                effective_at=event.at,
                recorded_at=event.recorded_at,
                fact=event.fact.NAME,
                by=event.by,
                text=entry.text,
                minor=minor,
                balance=running,
                legs=entry.postings,
                subject=subject,
                rates=tuple(rates[subject]),
                request=request_of(connection, position),
                cause=_cause(whys.get(event.why) if event.why is not None else None),
            )
        )
    return tuple(movements)


def subject_of(event: Told) -> UUID:
    """Say what an entry belongs to: the fact's own word for it, else the stream it stands on."""
    for field in ("cause", "hold", "dispute"):
        subject = getattr(event.fact, field, None)
        if isinstance(subject, UUID):
            return subject
    return event.stream_id


def _cause(event: Told | None) -> Cause | None:
    return None if event is None else Cause(event.position, event.fact.NAME, event.by)
