"""The projector dies before its first exchange with the database, its second, its third …

The exchanges are counted in a life without death, so every one of them is died at: what the next
projector folds from there must be what one that never died has folded, row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from eventsourcing.persistence import Tracking
from psycopg.sql import SQL, Identifier, Literal

from projections.log import events_after
from projections.postings import Postings
from projections.replay import fold_balances
from projections.rows import Target
from projections.runner import PROJECTIONS, SETTINGS, ReadTracking, Runner
from tests.faults.mortal import Killed, Life, MortalConnection
from tests.integration.projections.house import StoredHouse
from tests.unit.projections.house import VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg import Connection

    from adapters.database.roles import Database
    from projections.log import Told

pytestmark = pytest.mark.fault

BATCH = 10
TABLES = tuple(sorted(name for projection in PROJECTIONS for name in projection.tables))


class MortalRunner(Runner):
    """The runner as it is, on a connection that may end anywhere."""

    def __init__(self, database: Database, life: Life, **how: Any) -> None:
        super().__init__(database.dsn("projector"), VOCABULARY, batch_max=BATCH, **how)
        self._conninfo, self._life = database.dsn("projector"), life

    def connect(self) -> Connection[Any]:
        connection = MortalConnection.connect(self._conninfo, autocommit=True)
        connection.execute(SETTINGS)
        connection.life = self._life
        return connection


@pytest.fixture
def house(database: Database) -> StoredHouse:
    """A log of some batches."""
    stored = StoredHouse(database)
    client = stored.register(1)
    for number in range(1, 4):
        stored.deposit(number, client, 1_000 * number, "EUR", "USD" if number % 2 else "EUR")
    stored.write()
    return stored


def test_a_projector_killed_at_any_exchange_leaves_what_one_that_never_died_has(
    house: StoredHouse, tell: Callable[..., None]
) -> None:
    unhurt = Life()
    MortalRunner(house.database, unhurt).catch_up()
    rows = all_rows(house)
    differing = []
    for steps in range(unhurt.steps):
        forget(house)
        life = Life(steps)
        with pytest.raises(Killed):
            MortalRunner(house.database, life).catch_up()
        house.runner().catch_up()
        if all_rows(house) != rows:
            differing.append(steps)
    tell(events=len(house.events), killed=unhurt.steps, differing=len(differing))
    assert balances(house) == fold_balances(house.events)
    assert unhurt.steps > len(house.events) // BATCH * 10, "hardly anything was died at"
    assert not differing


class Apart(MortalRunner):
    """The control: rows in one database transaction, their position in another."""

    def step(self, connection: Connection[Any], until: int | None = None) -> int:
        tracking = ReadTracking(connection)
        position = tracking.begin("read")
        events = events_after(connection, VOCABULARY, position, BATCH)
        if not events:
            return position
        with connection.transaction(), connection.cursor() as cursor:
            Balances().fold(events, Target(cursor))
        tracking.insert_tracking(Tracking("read", events[-1].position))
        return events[-1].position


class Balances(Postings):
    """Balances without the postings' own primary key, which would catch a second time."""

    def fold(self, events: Sequence[Told], target: Target) -> None:
        target.cursor.execute("DELETE FROM read.posting")
        super().fold(events, target)


def test_control_a_projector_that_writes_its_position_apart_doubles_rows(
    house: StoredHouse, tell: Callable[..., None]
) -> None:
    unhurt = Life()
    Apart(house.database, unhurt).catch_up()
    assert balances(house) == fold_balances(house.events)
    doubled = 0
    for steps in range(unhurt.steps):
        forget(house)
        with pytest.raises(Killed):
            Apart(house.database, Life(steps)).catch_up()
        Apart(house.database, Life()).catch_up()
        doubled += balances(house) != fold_balances(house.events)
    tell(killed=unhurt.steps, doubled=doubled)
    assert doubled >= len(house.events) // BATCH


def forget(house: StoredHouse) -> None:
    """Empty every read model, and the position with them."""
    with psycopg.connect(house.database.dsn("projector")) as connection:
        for name in (*TABLES, "tracking"):
            connection.execute(SQL("DELETE FROM {}").format(Identifier("read", name)))


def all_rows(house: StoredHouse) -> list[tuple[Any, ...]]:
    """Every row of every read model, by table."""
    each = [
        SQL("SELECT {0}, t::text FROM {1} AS t").format(Literal(name), Identifier("read", name))
        for name in TABLES
    ]
    with psycopg.connect(house.database.dsn("projector")) as connection:
        return sorted(connection.execute(SQL(" UNION ALL ").join(each)).fetchall())


def balances(house: StoredHouse) -> dict[tuple[str, str], int]:
    """Every balance as it stands in the read models."""
    with psycopg.connect(house.database.dsn("projector")) as connection:
        rows = connection.execute("SELECT account, currency, minor FROM read.balance").fetchall()
    return {(account, currency): int(minor) for account, currency, minor in rows}
