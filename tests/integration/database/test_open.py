"""Opening a database: embedded or by URL, migrated once, with months ahead in the inbox."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.database import roles
from adapters.database.embedded import EmbeddedPostgres
from adapters.database.errors import RolesMissing, ServerTooOld
from adapters.database.migrate import add_inbox_months, migrate
from adapters.database.roles import ROLES, Database, ensure_roles, open_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.database.binaries import Binaries

ROOT = Path(__file__).resolve().parents[3]
WHO = "SELECT session_user::text, current_user::text"
RECEIVE = """
INSERT INTO book.inbox (id, source, sealed, sha256, received_at)
VALUES (gen_random_uuid(), 'test', 'x', 'x', %s) RETURNING tableoid::regclass::text
"""


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The superuser's URL of an empty database."""
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty")
        yield postgres.dsn("empty")
        connection.execute("DROP DATABASE empty WITH (FORCE)")


@pytest.fixture
def foreign(binaries: Binaries, home: Path) -> Iterator[EmbeddedPostgres]:
    """A server that has never seen us: no roles, and an `operator` who owns a database."""
    with EmbeddedPostgres(home, durable=False, binaries=binaries) as server:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            for name, right in (("operator", "CREATEROLE"), ("guest", "NOCREATEROLE")):
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN {} PASSWORD {}").format(
                        sql.Identifier(name), sql.SQL(right), sql.Literal(server.password(name))
                    )
                )
            connection.execute("CREATE DATABASE books OWNER operator")
        yield server


def ask(dsn: str, query: str) -> tuple[object, ...]:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row


def test_opens_the_embedded_server_with_a_login_per_role(tmp_path: Path) -> None:
    with open_database(data_dir=tmp_path / "home", durable=False) as database:
        for role in ROLES:
            assert ask(database.dsn(role), WHO) == (role, role)
        wrong = make_conninfo(database.dsn("book_writer"), password="wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)
        with open_database(data_dir=tmp_path / "home", durable=False) as shared:
            assert shared == database
        assert ask(database.dsn("book_writer"), "SELECT count(*) FROM book.log") == (0,)


def test_opens_any_server_by_url_acting_as_each_role(empty: str) -> None:
    with open_database(url=empty, environ={}) as database:
        for role in ROLES:
            assert ask(database.dsn(role), WHO) == ("postgres", role)
        with (
            psycopg.connect(database.dsn("book_writer")) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("DELETE FROM book.log")


def test_opens_a_database_whose_owner_is_no_superuser(foreign: EmbeddedPostgres) -> None:
    url = foreign.dsn("books", "operator")
    for _ in range(2):
        with open_database(url=url, environ={}) as database:
            assert ask(database.dsn("book_writer"), WHO) == ("operator", "book_writer")
            assert ask(database.dsn("migrator"), "SELECT count(*) FROM book.log") == (0,)
            assert ask(database.dsn("projector"), "SELECT count(*) FROM book.log") == (0,)


def test_says_which_roles_are_missing_when_it_may_not_create_them(
    foreign: EmbeddedPostgres,
) -> None:
    with pytest.raises(RolesMissing, match=r"guest may not create roles.*migrator, book_writer"):
        ensure_roles(foreign.dsn("books", "guest"), {})


def test_a_role_with_a_url_of_its_own_uses_it() -> None:
    database = Database.from_url(
        "postgresql://login@host/books?options=-c%20work_mem%3D5MB",
        {"DATABASE_URL_BOOK_WRITER": "postgresql://writer@host/books"},
    )

    assert database.dsn("book_writer") == "postgresql://writer@host/books"
    options = conninfo_to_dict(database.dsn("projector"))["options"]
    assert options == "-c work_mem=5MB -c role=projector"


@pytest.mark.parametrize("lane", ["embedded"], indirect=True)
def test_refuses_a_server_that_is_too_old(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "VERSION_MIN", 99)

    with pytest.raises(ServerTooOld, match="is too old: 99 or newer"), open_database(url=empty):
        pass


def test_migrating_again_changes_nothing(database: Database) -> None:
    revision = "SELECT version_num FROM alembic_version"
    before = ask(database.admin_dsn, revision)
    migrate(database.admin_dsn)

    assert ask(database.admin_dsn, revision) == before


@pytest.mark.parametrize("lane", ["embedded"], indirect=True)
def test_two_alembic_commands_may_run_at_once(empty: str) -> None:
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": empty},
        )
        for _ in range(2)
    ]

    assert [program.wait() for program in programs] == [0, 0]
    assert ask(empty, "SELECT count(*) FROM book.log") == (0,)


def test_messages_go_to_the_partition_of_their_month(database: Database) -> None:
    now = datetime.now(UTC)
    with psycopg.connect(database.dsn("book_writer")) as connection:
        row = connection.execute(RECEIVE, (now,)).fetchone()

    assert row == (f"book.inbox_{now:%Y_%m}",)
    assert add_inbox_months(database.admin_dsn) == 0


def test_a_month_that_already_has_messages_stays_in_the_rest(database: Database) -> None:
    far = datetime(2199, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    with psycopg.connect(database.dsn("book_writer")) as connection:
        row = connection.execute(RECEIVE, (far,)).fetchone()
    with psycopg.connect(database.dsn("migrator")) as connection:
        added = connection.execute("SELECT book.add_inbox_months('2199-01-15', 2)").fetchone()

    assert (row, added) == (("book.inbox_rest",), (1,))
    with psycopg.connect(database.dsn("book_writer")) as connection:
        later = connection.execute(RECEIVE, (datetime(2199, 2, 1, tzinfo=UTC),)).fetchone()
    assert later == ("book.inbox_2199_02",)
