"""Audit: does the log hold, and do the read models say what the log says?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from psycopg.sql import SQL

from ledger.errors import LogUnreadable
from ledger.store.chain import Broken, genesis
from ledger.store.rows import event_of
from ledger.store.verify import Verifier
from projections.balances import trial_balance
from projections.explain import Explanation, explain
from projections.log import LOG, entry_of, stored_rows
from projections.waiting import position as folded_position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg import Connection

    from ledger.decision import Event
    from ledger.ids import EntityId
    from ledger.store.codec import Vocabulary

__all__ = ["Check", "Explanation", "VerifyReport", "explain", "verify"]

K = TypeVar("K")

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


class _Fold:
    """What the log amounts to, summed without the help of the code that is audited."""

    def __init__(self, until: int) -> None:
        self.sums: dict[tuple[str, str], int] = {}
        self.entries = 0
        self.unbalanced: tuple[int, str] | None = None
        self._until = until

    def take(self, event: Event) -> None:
        """Add the event's entry, and check that it balances."""
        entry = entry_of(event)
        if entry is None:
            return
        self.entries += 1
        by_currency: dict[str, int] = {}
        for posting in entry.postings:
            _add(by_currency, posting.currency, posting.minor)
            if event.position <= self._until:
                _add(self.sums, (posting.account, posting.currency), posting.minor)
        off = {currency: minor for currency, minor in by_currency.items() if minor}
        if off and self.unbalanced is None:
            self.unbalanced = (event.position, f"the entry is off by {off}")


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
        tell: hears every position that holds.
    """
    with connection.transaction():
        connection.execute(SNAPSHOT)
        folded = folded_position(connection)
        verifier = Verifier(genesis(LOG.name, entity), entity, vocabulary)
        fold = _Fold(folded)
        problem = _read_log(connection, vocabulary, verifier, fold, tell)
        checks = [
            _chain(verifier, problem),
            _entries(fold),
            *(_compare(connection, name, query, fold.sums) for name, query in SUMS.items()),
            _trial(connection),
        ]
    return VerifyReport(verifier.link.position, folded, verifier.link.digest.hex(), tuple(checks))


def _read_log(
    connection: Connection[Any],
    vocabulary: Vocabulary,
    verifier: Verifier,
    fold: _Fold,
    tell: Callable[[int], None] | None,
) -> Broken | None:
    """Read to the end, or to the first row that does not hold."""
    for row in stored_rows(connection):
        try:
            verifier.take(row)
            fold.take(event_of(row, vocabulary))
        except Broken as broken:
            return broken
        except LogUnreadable as error:
            return Broken(row.position, str(error))
        if tell is not None:
            tell(row.position)
    return None


def _chain(verifier: Verifier, problem: Broken | None) -> Check:
    name = "the log's chain verifies"
    if problem is not None:
        return Check(name, held=False, detail=problem.words, position=problem.position)
    streams = len(verifier.versions)
    return Check(name, held=True, detail=f"{verifier.link.position} events, {streams} streams")


def _entries(fold: _Fold) -> Check:
    name = "every entry balances"
    if fold.unbalanced is not None:
        position, words = fold.unbalanced
        return Check(name, held=False, detail=words, position=position)
    return Check(name, held=True, detail=f"{fold.entries} entries")


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


def _add(sums: dict[K, int], key: K, minor: int) -> None:
    sums[key] = sums.get(key, 0) + minor
