"""Opening the books for a command: settings, database, connections."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import psycopg

from adapters.database.roles import open_database
from api.house import vocabulary
from api.house.bootstrap import wall_clock
from api.house.secret_sources import database_url, keeper_of
from api.house.settings import SettingsRefused
from api.shell.recorded import record_command
from ledger.book import Book
from ledger.ids import EntityId
from projections.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from adapters.database.roles import Database
    from api.house.settings import Settings


@contextlib.contextmanager
def books_at(settings: Settings, *, recorded: bool = True) -> Iterator[Database]:
    """Open the database of books that exist: a question never makes any.

    Args:
        recorded: the access log is told before anything is read. Only who must see whether that
            log is sound tells it later, with `record_command`.

    Raises:
        SettingsRefused: there are none at this place.
    """
    data = settings.home / "postgres"
    if not are_there(settings):
        raise SettingsRefused(f"no books in {settings.home}: `counterfoil up` opens some")
    with (
        contextlib.closing(keeper_of(settings, os.environ)) as secrets,
        open_database(url=database_url(settings, secrets), data_dir=data) as database,
    ):
        if recorded:
            with log_of(settings, database, "access") as access:
                record_command(access)
        yield database


def are_there(settings: Settings) -> bool:
    """Tell whether there are books at this place; an address is believed."""
    return settings.database_url is not None or (settings.home / "postgres").is_dir()


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
    writer = database.dsn("access_writer" if log == "access" else "book_writer")
    entity = EntityId(settings.entity)
    with contextlib.closing(Book.open(writer, entity, words, clock=wall_clock, log=log)) as book:
        yield book
