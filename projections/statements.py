"""An account's statement: opening balance, every posting with the running balance, closing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from psycopg.sql import SQL

from ledger.chart import Account, kind_of
from projections.balances import balance, normal_side
from projections.pages import LIMIT_MAX, page_of
from projections.postings import ordinal
from projections.rows import fetch

if TYPE_CHECKING:
    from psycopg import Connection

# The running sum is over the whole time, so that every page continues the one before it.
LINES: Final = """
SELECT * FROM (
    SELECT position, leg, effective_at, recorded_at, fact, text, stream, minor,
           %(opening)s::numeric(38, 0)
               + sum(minor) OVER (ORDER BY effective_at, position, leg) AS balance
    FROM read.posting
    WHERE account = %(account)s AND currency = %(currency)s
      AND effective_at >= %(since)s AND effective_at < %(until)s
      AND recorded_at <= coalesce(%(known_at)s::timestamptz, 'infinity')
) AS running
WHERE {where} ORDER BY effective_at, position, leg LIMIT %(limit)s
"""
BEYOND: Final = """
(effective_at, position, leg) > (
    SELECT effective_at, position, leg FROM read.posting
    WHERE position = %(after)s / %(stride)s AND leg = %(after)s %% %(stride)s
)
"""
_MICROSECOND: Final = timedelta(microseconds=1)
"""The resolution of the log's times."""


class StatementLine(msgspec.Struct, frozen=True):
    """One posting, and the balance after it."""

    position: int
    leg: int
    effective_at: datetime
    recorded_at: datetime
    fact: str
    text: str
    stream: UUID
    minor: int
    balance: int

    @property
    def ordinal(self) -> int:
        """The cursor."""
        return ordinal(self.position, self.leg)


class Statement(msgspec.Struct, frozen=True):
    """A page of an account's life between two effective times.

    All amounts are minor units on the account's normal side: what a client is owed is positive.
    """

    account: str
    currency: str
    since: datetime
    until: datetime
    opening: int
    closing: int
    lines: tuple[StatementLine, ...]
    next: int | None


def statement(
    connection: Connection[Any],
    account: str,
    currency: str,
    since: datetime,
    until: datetime,
    *,
    known_at: datetime | None = None,
    after: int = 0,
    limit: int = 100,
) -> Statement:
    """Return the postings effective from `since` up to, and not including, `until`.

    Opening and closing are of the whole time, whatever page is asked for.

    Raises:
        InvalidInput: the account is none of the chart (`unknown_account`).
    """
    assert 0 < limit <= LIMIT_MAX, f"a page has 1 to {LIMIT_MAX} rows"
    kind = kind_of(Account(account)).name
    opening, closing = (
        balance(connection, account, currency, at=end - _MICROSECOND, known_at=known_at)
        for end in (since, until)
    )
    params = {
        "opening": opening,
        "account": account,
        "currency": currency,
        "since": since,
        "until": until,
        "known_at": known_at,
        "after": after,
        "stride": ordinal(1, 0),
        "limit": limit + 1,
    }
    where = SQL(BEYOND if after else "true")
    found = fetch(connection, SQL(LINES).format(where=where), params, StatementLine)
    page = page_of([_on_normal_side(line, kind) for line in found], limit, "ordinal")
    return Statement(
        account,
        currency,
        since,
        until,
        normal_side(opening, kind),
        normal_side(closing, kind),
        page.rows,
        page.next,
    )


def _on_normal_side(line: StatementLine, kind: str) -> StatementLine:
    return msgspec.structs.replace(
        line, minor=normal_side(line.minor, kind), balance=normal_side(line.balance, kind)
    )
