"""Books to test: on both lanes of PostgreSQL, in memory, and as many as a test likes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from ledger.book import Book
from ledger.store.memory import MemoryBook
from tests.integration.lanes import LANES
from tests.unit.ledger.store.counter import ENTITY, Ticking, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.database.roles import Database
    from ledger.book import AnyBook
    from tests.integration.lanes import Lanes


@pytest.fixture
def database(lanes: Lanes, lane: str) -> Iterator[Database]:
    """A fresh migrated database of this test alone, in the lane."""
    with lanes.database(lane) as database:
        yield database


@pytest.fixture(params=[*LANES, "memory"])
def book(request: pytest.FixtureRequest, lanes: Lanes) -> Iterator[AnyBook]:
    if request.param == "memory":
        yield MemoryBook(ENTITY, vocabulary(), clock=Ticking())
        return
    with lanes.database(request.param) as database:
        opened = Book.open(database.dsn("book_writer"), ENTITY, vocabulary(), clock=Ticking())
        yield opened
        opened.close()


WRITERS = {"log": "book_writer", "access": "access_writer"}


@pytest.fixture
def open_book(database: Database) -> Iterator[Callable[..., Book]]:
    """Open books on the test's database; all are closed at the end."""
    with contextlib.ExitStack() as books:

        def opened(dsn: str | None = None, **options: object) -> Book:
            clock = options.pop("clock", None) or Ticking()
            book = Book.open(
                dsn or database.dsn(WRITERS[str(options.get("log", "log"))]),
                ENTITY,
                options.pop("vocabulary", None) or vocabulary(),  # type: ignore[arg-type]
                clock=clock,  # type: ignore[arg-type]
                **options,  # type: ignore[arg-type]
            )
            books.callback(book.close)
            return book

        yield opened
