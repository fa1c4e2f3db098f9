"""The roles that may touch the books, and the one call that opens a database for them."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.database.binaries import VERSION_MIN
from adapters.database.cluster import SUPERUSER
from adapters.database.embedded import EmbeddedPostgres
from adapters.database.errors import RolesMissing, ServerTooOld, UrlUnreadable, UrlUnsafe
from adapters.database.keeper import kept_alive
from adapters.database.migrate import migrate
from adapters.transport import TransportRefused, refuse_open_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROLES = (
    "migrator",  # owns the schemas and tables of the book
    "book_writer",  # appends to the book, and reads what it needs to decide
    "access_writer",  # appends to the access log, and nothing else
    "projector",  # reads the log, owns the read models
    "finance_reader",  # reads the read models
    "audit_reader",  # reads the log, the access log and the read models
    "retention",  # deletes old raw messages
)
DBNAME = "counterfoil"

ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('counterfoil/roles'))"
EXISTING_ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"
MAY_CREATE_ROLES = """
SELECT rolcreaterole OR rolsuper, rolsuper FROM pg_roles WHERE rolname = current_user
"""
CREATE_ROLE = "CREATE ROLE {role} NOSUPERUSER NOCREATEDB NOCREATEROLE"
JOIN_ROLE = "GRANT {role} TO CURRENT_USER"
SET_PASSWORD = "ALTER ROLE {role} LOGIN PASSWORD {verifier}"  # noqa: S105
DATABASE_EXISTS = "SELECT FROM pg_database WHERE datname = %s"


def ensure_roles(admin_dsn: str, passwords: Mapping[str, str]) -> None:
    """Create the roles that are missing; those named in `passwords` may log in with theirs.

    Passwords are sent as SCRAM verifiers: neither the server nor its log ever sees one.

    Raises:
        RolesMissing: a role does not exist and the login may not create it.
    """
    with psycopg.connect(admin_dsn) as connection:
        connection.execute(ONE_AT_A_TIME)
        row = connection.execute(MAY_CREATE_ROLES).fetchone()
        assert row is not None, "the current user is in pg_roles"
        may_create, is_superuser = row
        present = {name for (name,) in connection.execute(EXISTING_ROLES, (list(ROLES),))}
        missing = [role for role in ROLES if role not in present]
        if missing and not may_create:
            raise RolesMissing(
                f"the login {connection.info.user} may not create roles; "
                f"have an administrator create {', '.join(missing)} and grant them to it"
            )
        for role in missing:
            _execute(connection, CREATE_ROLE, role=sql.Identifier(role))
            if not is_superuser:
                _execute(connection, JOIN_ROLE, role=sql.Identifier(role))
        for role, password in passwords.items():
            verifier = connection.pgconn.encrypt_password(
                password.encode(), role.encode(), b"scram-sha-256"
            )
            _execute(
                connection,
                SET_PASSWORD,
                role=sql.Identifier(role),
                verifier=sql.Literal(verifier.decode()),
            )


def ensure_database(admin_dsn: str, dbname: str) -> None:
    """Create the database unless it exists."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        if connection.execute(DATABASE_EXISTS, (dbname,)).fetchone() is None:
            with contextlib.suppress(psycopg.errors.DuplicateDatabase):
                _execute(connection, "CREATE DATABASE {name}", name=sql.Identifier(dbname))


def refuse_open_urls(url: str, environ: Mapping[str, str]) -> None:
    """Refuse addresses, that of a role too, that are neither this machine nor verified TLS.

    Raises:
        UrlUnsafe: one is not.
    """
    given = {f"DATABASE_URL_{role.upper()}" for role in ROLES}
    urls = {"DATABASE_URL": url} | {name: environ[name] for name in given if environ.get(name)}
    for name, each in sorted(urls.items()):
        try:
            refuse_open_database(name, each, environ)
        except TransportRefused as refused:
            raise UrlUnsafe(str(refused)) from None


def refuse_old_server(dsn: str) -> None:
    """Refuse a server older than what we run on.

    Raises:
        ServerTooOld: it is.
        UrlUnreadable: it is at no address.
    """
    try:
        with psycopg.connect(dsn) as connection:
            major, minor = divmod(connection.info.server_version, 10_000)
    except (psycopg.ProgrammingError, ValueError):
        # What the driver says of the address quotes it, its password too.
        raise UrlUnreadable("the URL is no address of a PostgreSQL database") from None
    if major < VERSION_MIN:
        raise ServerTooOld(f"PostgreSQL {major}.{minor} is too old: {VERSION_MIN} or newer")


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database, and how each role reaches it."""

    admin_dsn: str = field(repr=False)
    """The login that migrates; nothing else uses it."""
    role_dsns: Mapping[str, str] = field(repr=False)

    def dsn(self, role: str) -> str:
        """Give the connection string for one of `ROLES`."""
        return self.role_dsns[role]

    @classmethod
    def from_url(cls, url: str, environ: Mapping[str, str] = os.environ) -> Self:
        """Describe a server by one login that may act as every role (`SET ROLE`).

        `DATABASE_URL_<ROLE>` in `environ` gives a role a login of its own, which is the safer way:
        a session that only *set* its role can reset it.
        """
        options = conninfo_to_dict(url).get("options")
        given = f"{options} " if options else ""
        return cls(
            admin_dsn=url,
            role_dsns={
                role: environ.get(f"DATABASE_URL_{role.upper()}")
                or make_conninfo(url, options=f"{given}-c role={role}")
                for role in ROLES
            },
        )

    @classmethod
    def on_embedded(cls, server: EmbeddedPostgres, dbname: str = DBNAME) -> Self:
        """Describe a database of the embedded server, where every role has its own login."""
        return cls(
            admin_dsn=server.dsn(dbname, SUPERUSER),
            role_dsns={role: server.dsn(dbname, role) for role in ROLES},
        )


@contextlib.contextmanager
def open_database(
    *,
    url: str | None = None,
    data_dir: Path | None = None,
    durable: bool = True,
    settings: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Database]:
    """Open the books' database: roles there, schema up to date.

    Args:
        url: any PostgreSQL >= 15; wins over the embedded server.
        data_dir: where the embedded server lives; it is started, adopted or shared. If it is
            ours, it is started again when it dies, and stopped at the end.
        durable: False only where the data may be lost.
        settings: PostgreSQL settings of the embedded server, over ours.
        environ: where `DATABASE_URL_<ROLE>` is looked up.

    Raises:
        DatabaseUnavailable: in the words of `errors.py`.
    """
    if url is not None:
        refuse_open_urls(url, environ)
        refuse_old_server(url)
        ensure_roles(url, {})
        migrate(url)
        yield Database.from_url(url, environ)
        return
    assert data_dir is not None, "either a URL or a data directory"
    with EmbeddedPostgres(data_dir, durable=durable, settings=settings) as server:
        database = prepare_embedded(server)
        with kept_alive(server):
            yield database


def prepare_embedded(server: EmbeddedPostgres, dbname: str = DBNAME) -> Database:
    """Make roles, database and schema on a running embedded server."""
    ensure_roles(server.dsn(SUPERUSER), {role: server.password(role) for role in ROLES})
    ensure_database(server.dsn(SUPERUSER), dbname)
    database = Database.on_embedded(server, dbname)
    migrate(database.admin_dsn)
    return database


def _execute(
    connection: psycopg.Connection[tuple[object, ...]], query: str, **parts: sql.Composable
) -> None:
    connection.execute(sql.SQL(query).format(**parts))
