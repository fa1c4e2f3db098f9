"""Events per second verified: positions, chain, forms, keys, versions, every entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.house.vocabulary import BOOK
from projections.audit import read_log
from tests.benchmarks.load import ENTITY
from tests.benchmarks.reading import planned, run_reading

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.benchmarks.reading import Plan, Tell


def read(connection: Connection[Any], head: int) -> int:
    """Verify the log; a row that does not hold ends the run."""
    found = read_log(connection, BOOK, ENTITY, until=head)
    assert found.problem is None, found.problem
    assert found.unbalanced is None, found.unbalanced
    assert found.link.position == head, "not all of the log was read"
    return len(found.sums)


def run(
    quick: bool, seed: int, tell: Tell = lambda _: None, events: int | None = None
) -> dict[str, Any]:
    """Measure on a log of `events` (200,000 in a quick run, else a million)."""
    return {"quick": quick} | run_plan(planned(quick, events), seed, tell)


def run_plan(plan: Plan, seed: int, tell: Tell) -> dict[str, Any]:
    """Measure as the plan says."""
    return run_reading("verify", read, plan, seed, tell)
