"""A book with its read models, and a reader of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.integration.projections.house import StoredHouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from adapters.database.roles import Database


@pytest.fixture
def house(database: Database) -> StoredHouse:
    """An empty book whose clock the test turns."""
    return StoredHouse(database)


@pytest.fixture
def reading(database: Database) -> Iterator[Connection[Any]]:
    """A connection as finance has it: the read models and nothing else."""
    with psycopg.connect(database.dsn("finance_reader"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def auditing(database: Database) -> Iterator[Connection[Any]]:
    """A connection as the auditors have it: the log and the read models, to read."""
    with psycopg.connect(database.dsn("audit_reader"), autocommit=True) as connection:
        yield connection
