"""Balances, now or effective at E as known at K; the trial balance; a client's wallets.

An as-of read adds up whole days from `day_balance`, but only days of which nothing was recorded
after K; the day of E itself, and days that a late entry has touched since K, are added up from
single postings. So a backdated entry costs one day's postings, and never a wrong answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from psycopg.sql import SQL

from ledger.chart import KINDS, Side
from ledger.money import Money
from projections.pages import LIMIT_MAX, Page, conditions, page_of
from projections.rows import fetch

if TYPE_CHECKING:
    from datetime import datetime

    from psycopg import Connection

NOW: Final = """
SELECT account, entity, kind, owner, currency, minor, ordinal
FROM read.balance WHERE {where} ORDER BY ordinal LIMIT %(limit)s
"""
# The sum in LATERAL keeps the planner from joining every posting before the moment with every day,
# as it does where a table has no statistics yet.
AS_OF: Final = """
WITH bound AS (
    SELECT coalesce(%(at)s::timestamptz, 'infinity') AS at,
           (coalesce(%(at)s::timestamptz, 'infinity') AT TIME ZONE 'UTC')::date AS day,
           coalesce(%(known_at)s::timestamptz, 'infinity') AS known_at
), scope AS MATERIALIZED (
    SELECT account, entity, kind, owner, currency, ordinal
    FROM read.balance WHERE {where} ORDER BY ordinal LIMIT %(limit)s
), days AS MATERIALIZED (
    SELECT d.account, d.currency, d.day, d.minor,
           d.day = bound.day OR d.newest > bound.known_at AS mixed
    FROM scope JOIN read.day_balance AS d USING (account, currency), bound
    WHERE d.day <= bound.day
), moved AS (
    SELECT account, currency, minor FROM days WHERE NOT mixed
    UNION ALL
    SELECT d.account, d.currency, single.minor
    FROM days AS d, LATERAL (
        SELECT sum(p.minor) AS minor FROM read.posting AS p, bound
        WHERE p.account = d.account AND p.currency = d.currency
          AND p.effective_at >= d.day::timestamp AT TIME ZONE 'UTC'
          AND p.effective_at < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
          AND p.effective_at <= bound.at AND p.recorded_at <= bound.known_at
    ) AS single WHERE d.mixed AND single.minor IS NOT NULL
), sums AS (
    SELECT account, currency, sum(minor) AS minor FROM moved GROUP BY account, currency
)
"""
AS_OF_EACH: Final = """
SELECT account, entity, kind, owner, currency, coalesce(minor, 0) AS minor, ordinal
FROM scope LEFT JOIN sums USING (account, currency) ORDER BY ordinal
"""
BY_KIND: Final = """
SELECT currency, kind, sum(minor) AS minor FROM scope JOIN sums USING (account, currency)
GROUP BY currency, kind ORDER BY currency, kind
"""
BY_KIND_NOW: Final = """
SELECT currency, kind, sum(minor) AS minor FROM read.balance
GROUP BY currency, kind ORDER BY currency, kind
"""
WALLETS: Final = """
SELECT currency,
       coalesce(-sum(minor) FILTER (WHERE kind = 'client:wallet'), 0) AS available,
       coalesce(-sum(minor) FILTER (WHERE kind = 'client:held'), 0) AS held,
       coalesce(sum(minor) FILTER (WHERE kind = 'client:receivable'), 0) AS owed,
       coalesce(-sum(minor) FILTER (WHERE kind = 'client:unconverted'), 0) AS unconverted,
       coalesce(-sum(minor) FILTER (WHERE kind = 'payout:in-transit'), 0) AS in_transit,
       coalesce(-sum(minor) FILTER (WHERE kind = 'client:returned'), 0) AS returned
FROM (
    SELECT currency, kind, minor FROM read.balance
    WHERE owner = %(owner)s AND kind = ANY(%(kinds)s)
    UNION ALL
    SELECT currency, 'client:wallet', 0 FROM read.wallet WHERE client = %(client)s
) AS theirs
GROUP BY currency ORDER BY currency
"""
WALLET_KINDS: Final = (
    *("client:wallet", "client:held", "client:receivable", "client:unconverted"),
    *("payout:in-transit", "client:returned"),
)


class Balance(msgspec.Struct, frozen=True):
    """What stands on an account in one currency: debit +, credit −. `ordinal` is the cursor."""

    account: str
    entity: str
    kind: str
    owner: str | None
    currency: str
    minor: int
    ordinal: int

    @property
    def money(self) -> Money:
        """The amount, debit +."""
        return Money(self.minor, self.currency)


class TrialLine(msgspec.Struct, frozen=True):
    """All accounts of a kind in one currency, debit +."""

    currency: str
    kind: str
    minor: int


class TrialBalance(msgspec.Struct, frozen=True):
    """Every kind of account per currency."""

    lines: tuple[TrialLine, ...]

    def sums(self) -> dict[str, int]:
        """What each currency sums to; anything but zero is a broken book."""
        sums: dict[str, int] = {}
        for line in self.lines:
            sums[line.currency] = sums.get(line.currency, 0) + line.minor
        return sums

    @property
    def balanced(self) -> bool:
        """Whether every currency sums to zero."""
        return not any(self.sums().values())


class Wallet(msgspec.Struct, frozen=True):
    """A client's money in one currency, in minor units. May be shown to the client.

    What waits in suspense for a person is not in it.
    """

    currency: str
    available: int
    held: int
    owed: int
    unconverted: int
    in_transit: int
    returned: int


def balances(
    connection: Connection[Any],
    *,
    at: datetime | None = None,
    known_at: datetime | None = None,
    account: str | None = None,
    currency: str | None = None,
    client: UUID | None = None,
    kind: str | None = None,
    prefix: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> Page[Balance]:
    """List balances effective at `at` as known at `known_at`, both included.

    Args:
        at: effective time; None counts everything that is recorded, whenever it is effective.
        known_at: recording time; None knows everything.
        prefix: the beginning of account paths.
        after: `Page.next` of the page before.
    """
    assert 0 < limit <= LIMIT_MAX, f"a page has 1 to {LIMIT_MAX} rows"
    owner = None if client is None else str(client)
    filters = {"account": account, "currency": currency, "owner": owner, "kind": kind}
    equal = {column: value for column, value in filters.items() if value is not None}
    more = [SQL("ordinal > %(after)s")]
    if prefix is not None:
        more.append(SQL("account ^@ %(prefix)s"))
    where = conditions(equal, *more)
    params = equal | {"after": after, "prefix": prefix, "limit": limit + 1}
    if at is None and known_at is None:
        found = fetch(connection, SQL(NOW).format(where=where), params, Balance)
    else:
        query = SQL(AS_OF).format(where=where) + SQL(AS_OF_EACH)
        found = fetch(connection, query, params | {"at": at, "known_at": known_at}, Balance)
    return page_of(found, limit, "ordinal")


def balance(
    connection: Connection[Any],
    account: str,
    currency: str,
    *,
    at: datetime | None = None,
    known_at: datetime | None = None,
) -> int:
    """Return one balance effective at `at` as known at `known_at`: minor units, debit +."""
    page = balances(connection, at=at, known_at=known_at, account=account, currency=currency)
    return page.rows[0].minor if page.rows else 0


def trial_balance(
    connection: Connection[Any],
    *,
    at: datetime | None = None,
    known_at: datetime | None = None,
) -> TrialBalance:
    """Return the trial balance effective at `at` as known at `known_at`."""
    if at is None and known_at is None:
        return TrialBalance(tuple(fetch(connection, SQL(BY_KIND_NOW), None, TrialLine)))
    query = SQL(AS_OF).format(where=SQL("true")) + SQL(BY_KIND)
    params = {"at": at, "known_at": known_at, "limit": None}
    return TrialBalance(tuple(fetch(connection, query, params, TrialLine)))


def wallets(connection: Connection[Any], client: UUID) -> list[Wallet]:
    """Return a client's money by currency; an opened wallet is there with zeros."""
    params = {"owner": str(client), "client": client, "kinds": list(WALLET_KINDS)}
    return fetch(connection, SQL(WALLETS), params, Wallet)


def normal_side(minor: int, kind: str) -> int:
    """Turn a debit-positive amount to the side on which the kind's balance normally stands."""
    return minor if KINDS[kind].normal is Side.DEBIT else -minor
