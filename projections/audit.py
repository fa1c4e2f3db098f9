"""Audit: does the log hold, and do the read models say what the log says?"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgspec
from psycopg.sql import SQL

from ledger.store.chain import Broken, Link, genesis
from ledger.store.scan import scan
from ledger.store.verify import Verifier
from projections.balances import trial_balance
from projections.explain import Explanation, explain
from projections.log import LOG
from projections.waiting import position as folded_position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Connection

    from ledger.ids import EntityId
    from ledger.journal import Entry
    from ledger.store.codec import Vocabulary

__all__ = ["Check", "Explanation", "LogAudit", "VerifyReport", "explain", "read_log", "verify"]

TOLD_EVERY: Final = 5_000
"""Positions between two words about how far it is."""
SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
SUMS: Final = {
    "balances equal the fold": "SELECT account, currency, minor FROM read.balance",
    "postings equal the fold": """
SELECT account, currency, sum(minor) FROM read.posting GROUP BY account, currency
""",
    "day balances equal the fold": """
SELECT account, currency, sum(minor) FROM read.day_balance GROUP BY account, currency
""",
}


class Check(msgspec.Struct, frozen=True):
    """One question and its answer; `position` is that of the first bad event, where one is bad."""

    name: str
    held: bool
    detail: str
    position: int | None = None


class VerifyReport(msgspec.Struct, frozen=True):
    """Every check, in the order in which they were made.

    Attributes:
        head: the newest position that was verified.
        folded: the position of the read models; what is beyond it is not compared.
        digest: the chain's digest at `head`, in hex.
    """

    head: int
    folded: int
    digest: str
    checks: tuple[Check, ...]

    @property
    def held(self) -> bool:
        """Whether every check held."""
        return all(check.held for check in self.checks)

    @property
    def first_bad(self) -> Check | None:
        """The first check that did not hold."""
        return next((check for check in self.checks if not check.held), None)


class LogAudit:
    """What the rows amount to, and whether they hold; summed without the help of what is audited.

    Attributes:
        link: the newest row that holds, and `streams` on how many streams all of them stand.
        sums: what the entries up to `until` move, by account and currency.
        unbalanced: the first position whose entry does not balance, and why.
        problem: the first row that does not hold; nothing after it was read.
    """

    def __init__(self, until: int) -> None:
        self.sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.entries = self.streams = 0
        self.unbalanced: tuple[int, str] | None = None
        self.problem: Broken | None = None
        self.link = Link(0, b"", 0)
        self._until = until

    def add(self, position: int, entry: Entry) -> None:
        """Add an entry, and check that it balances."""
        self.entries += 1
        by_currency: dict[str, int] = {}
        sums, counts = self.sums, position <= self._until
        for posting in entry.postings:
            currency, minor = posting.currency, posting.minor
            by_currency[currency] = by_currency.get(currency, 0) + minor
            if counts:
                sums[posting.account, currency] += minor
        if any(by_currency.values()) and self.unbalanced is None:
            off = {currency: minor for currency, minor in by_currency.items() if minor}
            self.unbalanced = (position, f"the entry is off by {off}")


def verify(
    connection: Connection[Any],
    vocabulary: Vocabulary,
    entity: EntityId,
    tell: Callable[[int], None] | None = None,
) -> VerifyReport:
    """Verify chain, positions and entries of the whole log, and the read models against the fold.

    All of it is read at one moment, so that what is written meanwhile does not disturb it.

    Args:
        connection: in autocommit, of a role that reads the log and the read models.
        tell: hears how far the rows hold, now and then.
    """
    with connection.transaction():
        connection.execute(SNAPSHOT)
        folded = folded_position(connection)
        found = read_log(connection, vocabulary, entity, until=folded, tell=tell)
        checks = [
            _chain(found),
            _entries(found),
            *(_compare(connection, name, query, found.sums) for name, query in SUMS.items()),
            _trial(connection),
        ]
    return VerifyReport(found.link.position, folded, found.link.digest.hex(), tuple(checks))


def read_log(
    connection: Connection[Any],
    vocabulary: Vocabulary,
    entity: EntityId,
    *,
    until: int,
    tell: Callable[[int], None] | None = None,
) -> LogAudit:
    """Read the log to its end, or to the first row that does not hold.

    Args:
        until: the last position whose entry is added up.
        tell: hears how far the rows hold, now and then.
    """
    verifier = Verifier(genesis(LOG.name, entity), entity, vocabulary)
    found, position = LogAudit(until), 0
    try:
        with contextlib.closing(scan(connection, LOG)) as rows:
            for row in rows:
                entry = getattr(verifier.take(row).data, "entry", None)
                position = row[0]
                if entry is not None:
                    found.add(position, entry)
                if tell is not None and position % TOLD_EVERY == 0:
                    tell(position)
    except Broken as broken:
        found.problem = broken
    if tell is not None:
        tell(position)
    found.link, found.streams = verifier.link, verifier.streams
    return found


def _chain(found: LogAudit) -> Check:
    name, problem = "the log's chain verifies", found.problem
    if problem is not None:
        return Check(name, held=False, detail=problem.words, position=problem.position)
    detail = f"{found.link.position} events, {found.streams} streams"
    return Check(name, held=True, detail=detail)


def _entries(found: LogAudit) -> Check:
    name = "every entry balances"
    if found.unbalanced is not None:
        position, words = found.unbalanced
        return Check(name, held=False, detail=words, position=position)
    return Check(name, held=True, detail=f"{found.entries} entries")


def _compare(
    connection: Connection[Any], name: str, query: Any, sums: Mapping[tuple[str, str], int]
) -> Check:
    found = {(a, c): int(minor) for a, c, minor in connection.execute(SQL(query))}
    for key in sorted(sums.keys() | found.keys()):
        if sums.get(key, 0) != found.get(key, 0):
            detail = f"{key[0]} {key[1]}: {found.get(key, 0)}, the log says {sums.get(key, 0)}"
            return Check(name, held=False, detail=detail)
    return Check(name, held=True, detail=f"{len(sums)} accounts")


def _trial(connection: Connection[Any]) -> Check:
    sums = trial_balance(connection).sums()
    off = {currency: minor for currency, minor in sums.items() if minor}
    detail = f"off by {off}" if off else f"{len(sums)} currencies"
    return Check("the trial balance is zero per currency", held=not off, detail=detail)
