"""Events per second from the log to all balances: no read model, one process, one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.house.vocabulary import BOOK
from projections.fold import PAGE, fold
from tests.benchmarks.reading import planned, run_reading

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.benchmarks.reading import Plan, Tell


def read(connection: Connection[Any], head: int) -> int:
    """Fold the log; an open balance sheet that does not balance is refused by `fold` itself."""
    return len(fold(connection, BOOK, head))


def run(
    quick: bool, seed: int, tell: Tell = lambda _: None, events: int | None = None
) -> dict[str, Any]:
    """Measure on a log of `events` (200,000 in a quick run, else a million)."""
    return {"quick": quick} | run_plan(planned(quick, events), seed, tell)


def run_plan(plan: Plan, seed: int, tell: Tell) -> dict[str, Any]:
    """Measure as the plan says."""
    return run_reading("replay", read, plan, seed, tell, rows_a_page=PAGE)
