"""Who may touch what: the committed matrix, and the doors that stay closed to everybody.

`python -m tests.integration.database.test_privileges` writes the matrix anew.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import ROLES, Database, prepare_embedded
from api.identity.authorization import authorization
from api.identity.stray import allowed_rights, live_rights

if TYPE_CHECKING:
    from collections.abc import Iterator

MATRIX = Path(__file__).resolve().parents[2] / "roles_matrix.txt"
GRANTEES = [*ROLES, "public"]

SAMPLE_PROJECTION = "CREATE TABLE read.sample (id bigint)"
SCHEMA_RIGHTS = """
SELECT 'schema ' || schema, grantee, right_
FROM unnest(ARRAY['book', 'read', 'public']) AS schema, unnest(%(grantees)s::text[]) AS grantee,
     unnest(ARRAY['USAGE', 'CREATE']) AS right_
WHERE has_schema_privilege(grantee, schema, right_)
"""
TABLE_RIGHTS = """
SELECT 'table ' || c.oid::regclass, grantee, right_
FROM pg_class c, unnest(%(grantees)s::text[]) AS grantee,
     unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
        AS right_
WHERE c.relnamespace IN ('book'::regnamespace, 'read'::regnamespace)
  AND c.relkind IN ('r', 'p', 'v', 'm') AND (NOT c.relispartition OR c.relname = 'inbox_rest')
  AND has_table_privilege(grantee, c.oid, right_)
"""
COLUMN_RIGHTS = """
SELECT 'column ' || c.oid::regclass || '.' || a.attname, grantee, right_
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0,
     unnest(%(grantees)s::text[]) AS grantee, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS right_
WHERE c.relnamespace = 'book'::regnamespace AND c.relkind IN ('r', 'p')
  AND has_column_privilege(grantee, c.oid, a.attnum, right_)
  AND NOT has_table_privilege(grantee, c.oid, right_)
"""
FUNCTION_RIGHTS = """
SELECT 'function ' || p.oid::regprocedure, grantee, 'EXECUTE'
FROM pg_proc p, unnest(%(grantees)s::text[]) AS grantee
WHERE (p.pronamespace IN ('book'::regnamespace, 'read'::regnamespace)
       OR p.proname ~ '^pg_(try_)?advisory_(xact_)?lock')
  AND has_function_privilege(grantee, p.oid, 'EXECUTE')
"""
RIGHTS = (SCHEMA_RIGHTS, TABLE_RIGHTS, COLUMN_RIGHTS, FUNCTION_RIGHTS)

APPEND = """
INSERT INTO book.{table} (position, stream, version, name, state, recorded_at, digest)
VALUES (1, gen_random_uuid(), 1, 'test.fact', '{{}}', now(), sha256('x'))
"""
RECEIVE = """
INSERT INTO book.inbox (id, source, sealed, sha256, received_at)
VALUES (gen_random_uuid(), 'test', 'x', 'x', now())
"""
CHANGES = (
    "UPDATE book.{table} SET {column} = {column}",
    "DELETE FROM book.{table}",
    "TRUNCATE book.{table}",
)
CHANGES_OF_THE_BOOK = [
    change.format(table=table, column=column)
    for table, column in (("log", "name"), ("access", "name"), ("inbox", "source"))
    for change in CHANGES
]
TRICKS = (
    "ALTER TABLE book.log DISABLE TRIGGER append_only",
    "ALTER TABLE book.log DISABLE TRIGGER ALL",
    "DROP TRIGGER append_only ON book.log",
    "SET session_replication_role = replica",
    "CREATE TABLE book.other (id bigint)",
    "CREATE TABLE public.other (id bigint)",
    "CREATE FUNCTION book.refuse_change() RETURNS trigger LANGUAGE sql AS ''",
    "SET ROLE migrator",
    "COPY book.log TO PROGRAM 'true'",
)


def matrix(database: Database) -> str:
    """Write down every right that a role has: one line per object and role."""
    found: dict[tuple[str, str], list[str]] = {}
    with psycopg.connect(database.admin_dsn) as connection:
        for query in RIGHTS:
            for thing, grantee, right in connection.execute(query, {"grantees": GRANTEES}):
                found.setdefault((thing, grantee), []).append(right)
    lines = (f"{thing}: {who}: {' '.join(rights)}\n" for (thing, who), rights in found.items())
    return "".join(sorted(lines))


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with one row in every table that must keep its rows."""
    with psycopg.connect(database.dsn("book_writer")) as connection:
        connection.execute(APPEND.format(table="log"))
        connection.execute(RECEIVE)
    with psycopg.connect(database.dsn("access_writer")) as connection:
        connection.execute(APPEND.format(table="access"))
    return database


def test_roles_have_the_rights_of_the_committed_matrix_and_no_others(database: Database) -> None:
    assert matrix(database) == MATRIX.read_text()


def test_the_catalog_allows_what_the_authorization_file_says_and_nothing_else(
    database: Database,
) -> None:
    assert rights(database) == allowed_rights(authorization())


@pytest.mark.parametrize(
    ("owner", "stray"),
    [
        ("projector", SAMPLE_PROJECTION),
        ("migrator", "CREATE VIEW book.everything AS SELECT * FROM book.log"),
        ("migrator", "GRANT SELECT (state) ON book.log TO finance_reader"),
        ("projector", "GRANT INSERT ON read.kyc TO book_writer"),
        ("projector", "GRANT SELECT ON read.kyc TO PUBLIC"),
        ("projector", "REVOKE SELECT ON read.kyc FROM audit_reader"),
    ],
)
def test_a_table_or_a_right_without_a_row_is_found(
    database: Database, owner: str, stray: str
) -> None:
    with psycopg.connect(database.dsn(owner)) as connection:
        connection.execute(stray)

    assert rights(database) != allowed_rights(authorization())


def rights(database: Database) -> set[str]:
    with psycopg.connect(database.admin_dsn) as connection:
        return live_rights(connection, ROLES)


def test_who_keeps_the_access_log_plants_no_state_in_the_book(database: Database) -> None:
    plant = "INSERT INTO book.snapshot VALUES (gen_random_uuid(), 100, %s, '{}')"
    look = "SELECT count(*) FROM book.snapshot"
    with psycopg.connect(database.dsn("book_writer"), autocommit=True) as connection:
        connection.execute(plant, ("wallet/0123456789ab",))
        assert connection.execute(look).fetchone() == (1,)
    with psycopg.connect(database.dsn("access_writer"), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(plant, ("wallet/0123456789ab",))
        connection.execute(plant, ("access/0123456789ab",))
        assert connection.execute(look).fetchone() == (1,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(APPEND.format(table="log"))
    with (
        psycopg.connect(database.dsn("book_writer"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(APPEND.format(table="access"))


def test_a_right_too_many_shows_in_the_matrix(database: Database) -> None:
    with psycopg.connect(database.dsn("migrator")) as connection:
        connection.execute("GRANT UPDATE (name) ON book.log TO book_writer")

    assert matrix(database) != MATRIX.read_text()


@pytest.mark.parametrize("role", [role for role in ROLES if role != "migrator"])
def test_no_role_changes_what_was_recorded(filled: Database, role: str) -> None:
    allowed = {"DELETE FROM book.inbox"} if role == "retention" else set()
    with psycopg.connect(filled.dsn(role), autocommit=True) as connection:
        for change in set(CHANGES_OF_THE_BOOK) - allowed:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change)


def test_the_writer_cannot_take_the_triggers_away(filled: Database) -> None:
    with psycopg.connect(filled.dsn("book_writer"), autocommit=True) as connection:
        for trick in TRICKS:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(trick)


def test_the_owner_is_stopped_by_the_trigger(filled: Database) -> None:
    with psycopg.connect(filled.dsn("migrator"), autocommit=True) as connection:
        for change in CHANGES_OF_THE_BOOK:
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(change)


def test_a_superuser_who_silences_triggers_is_stopped_too(filled: Database) -> None:
    with psycopg.connect(filled.admin_dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for change in CHANGES_OF_THE_BOOK:
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(change)


def test_an_ordinary_trigger_would_have_been_silenced(filled: Database) -> None:
    with psycopg.connect(filled.admin_dsn) as connection:
        connection.execute("ALTER TABLE book.log ENABLE TRIGGER append_only")
        connection.execute("SET session_replication_role = replica")

        assert connection.execute("UPDATE book.log SET name = 'forged'").rowcount == 1


def test_a_partition_of_the_inbox_is_no_back_door(filled: Database) -> None:
    with psycopg.connect(filled.admin_dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT DISTINCT tableoid::regclass::text FROM book.inbox")
        (partition,) = [name for (name,) in rows]
        for change in CHANGES:
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(change.format(table=partition.split(".")[1], column="source"))


def test_retention_deletes_messages_and_nothing_else(filled: Database) -> None:
    with psycopg.connect(filled.dsn("retention"), autocommit=True) as connection:
        assert connection.execute("DELETE FROM book.inbox WHERE received_at <= now()").rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT sealed FROM book.inbox")


def test_a_reader_cannot_stop_the_book_with_its_lock(database: Database) -> None:
    for role in ("finance_reader", "audit_reader", "retention"):
        with (
            psycopg.connect(database.dsn(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT pg_advisory_xact_lock(1)")


def test_readers_see_what_the_projector_makes(database: Database) -> None:
    with psycopg.connect(database.dsn("projector")) as connection:
        connection.execute(SAMPLE_PROJECTION)
    for role in ("finance_reader", "audit_reader"):
        with psycopg.connect(database.dsn(role)) as connection:
            assert connection.execute("SELECT count(*) FROM read.sample").fetchone() == (0,)
    for role in ("book_writer", "access_writer", "retention"):
        with (
            psycopg.connect(database.dsn(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT count(*) FROM read.sample")


def _databases() -> Iterator[Database]:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(folder, durable=False) as server,
    ):
        yield prepare_embedded(server)


if __name__ == "__main__":
    for made in _databases():
        MATRIX.write_text(matrix(made))
