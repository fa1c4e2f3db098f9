"""Books to test: on PostgreSQL, in memory, and as many on one database as a test likes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from ledger.book import Book
from ledger.store.memory import MemoryBook
from tests.unit.ledger.store.counter import ENTITY, Ticking, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.database.roles import Database
    from ledger.book import AnyBook


@pytest.fixture(params=["postgres", "memory"])
def book(request: pytest.FixtureRequest) -> Iterator[AnyBook]:
    if request.param == "memory":
        yield MemoryBook(ENTITY, vocabulary(), clock=Ticking())
        return
    database: Database = request.getfixturevalue("database")
    opened = Book.open(database.dsn("book_writer"), ENTITY, vocabulary(), clock=Ticking())
    yield opened
    opened.close()


@pytest.fixture
def open_book(database: Database) -> Iterator[Callable[..., Book]]:
    """Open books on the test's database; all are closed at the end."""
    with contextlib.ExitStack() as books:

        def opened(dsn: str | None = None, **options: object) -> Book:
            clock = options.pop("clock", None) or Ticking()
            book = Book.open(
                dsn or database.dsn("book_writer"),
                ENTITY,
                options.pop("vocabulary", None) or vocabulary(),  # type: ignore[arg-type]
                clock=clock,  # type: ignore[arg-type]
                **options,  # type: ignore[arg-type]
            )
            books.callback(book.close)
            return book

        yield opened
