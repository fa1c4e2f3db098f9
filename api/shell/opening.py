"""Opening the books for a command: settings, database, connections."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psycopg

from adapters.database.roles import open_database
from api import vocabulary
from api.bootstrap import wall_clock
from api.settings import SettingsRefused
from ledger.book import Book
from ledger.ids import EntityId
from projections.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from adapters.database.roles import Database
    from api.settings import Settings


@contextlib.contextmanager
def books_at(settings: Settings) -> Iterator[Database]:
    """Open the database of books that exist: a question never makes any.

    Raises:
        SettingsRefused: there are none at this place.
    """
    data = settings.home / "postgres"
    if settings.database_url is None and not data.is_dir():
        raise SettingsRefused(f"no books in {settings.home}: `counterfoil up` opens some")
    with open_database(url=settings.database_url, data_dir=data) as database:
        yield database


@contextlib.contextmanager
def reading(settings: Settings, *, folded: bool = True) -> Iterator[Connection[Any]]:
    """Lend a connection that reads the log and the read models.

    Args:
        folded: fold what is in the log and not in the read models first.
    """
    with books_at(settings) as database:
        if folded:
            Runner(database.dsn("projector"), vocabulary.BOOK).catch_up()
        with psycopg.connect(database.dsn("audit_reader"), autocommit=True) as connection:
            yield connection


@contextlib.contextmanager
def log_of(settings: Settings, database: Database, log: str) -> Iterator[Book]:
    """Open one of the chained logs: `log`, or `access`."""
    words = vocabulary.ACCESS if log == "access" else vocabulary.BOOK
    writer, entity = database.dsn("book_writer"), EntityId(settings.entity)
    with contextlib.closing(Book.open(writer, entity, words, clock=wall_clock, log=log)) as book:
        yield book
