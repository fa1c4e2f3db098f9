"""The database as the doctor sees it: who we are there, what we may do, what time it is."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psycopg

from adapters.database.acting import ACTS_AS, WORKING
from adapters.database.embedded import EmbeddedPostgres
from adapters.database.errors import DatabaseUnavailable
from adapters.database.roles import ROLES, Database, refuse_old_server, refuse_open_urls
from api.doctor.check import Check, bad, differing, good, guarded
from api.house.secret_sources import database_url, with_logins
from api.house.settings import SettingsRefused
from api.identity.authorization import authorization
from api.identity.stray import allowed_rights, live_rights
from api.shell.trouble import trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from psycopg import Connection

    from adapters.secrets.keeper import Keeper
    from api.house.settings import Settings

SKEW_S_MAX: Final = 1.0
"""Between our clock and another's: what is recorded and what is signed must agree on the time."""
CLOCK: Final = "SELECT clock_timestamp()"
ADMINISTRATOR: Final = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"
_RIGHTS_TODO: Final = "`counterfoil authz matrix` shows what each role needs"


@contextlib.contextmanager
def reached(
    settings: Settings, secrets: Keeper, environ: Mapping[str, str] = os.environ
) -> Iterator[Database]:
    """Reach the database as it is: nothing is migrated, no role is made.

    Raises:
        SettingsRefused: there are no books here yet.
        DatabaseUnavailable: it is not to be reached, or not safely.
    """
    url = database_url(settings, secrets)
    if url is not None:
        refuse_open_urls(url, environ)
        refuse_old_server(url)
        yield with_logins(Database.from_url(url, environ), settings, secrets)
        return
    data = settings.home / "postgres"
    if not data.is_dir():
        raise SettingsRefused(f"no books in {settings.home}: `counterfoil up` opens some")
    with EmbeddedPostgres(data) as server:
        yield with_logins(Database.on_embedded(server), settings, secrets)


def look_at_database(database: Database, settings: Settings) -> Iterator[Check]:
    """Log in as every role, and compare what is held with what is needed."""
    for role in WORKING:
        name = f"database: {role}"
        yield from _guarded(name, partial(_role, database, settings, role, name))
    if settings.database_url is not None:
        yield from _guarded("database: migrating login", partial(_migrator, database))
    yield from _guarded("database: rights", partial(_rights, database))
    yield from _guarded("database: clock", partial(_clock, database))


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    def told() -> Iterator[Check]:
        try:
            yield from look()
        except psycopg.Error as error:
            # What the driver says may quote an address and its password.
            raise DatabaseUnavailable(trouble(error)) from None

    return guarded(
        name, told, DatabaseUnavailable, todo="see that the server runs and the login is right"
    )


def _role(database: Database, settings: Settings, role: str, name: str) -> Iterator[Check]:
    with _connected(database, role) as connection:
        row = connection.execute(ACTS_AS, (list(ROLES), role)).fetchone()
    assert row is not None, "the question has an answer"
    acting, others = row
    variable = f"DATABASE_URL_{role.upper()}"
    if acting != role:
        yield bad(name, f"we are {acting}", f"correct {variable} or `database_logins.{role}`")
    elif others and not settings.shared_database_login:
        yield bad(
            name,
            f"beyond need: may act as {', '.join(others)} too",
            f"give it a login of its own: `database_logins.{role}` or {variable}",
        )
    else:
        yield good(name, "logged in, shared on purpose" if others else "logged in, as itself alone")


def _migrator(database: Database) -> Iterator[Check]:
    name = "database: migrating login"
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        row = connection.execute(ADMINISTRATOR).fetchone()
    if row == (True,):
        yield bad(
            name,
            "beyond need: it is a superuser, whom no trigger and no grant stops",
            "use a login that may create roles and owns the database",
        )
    else:
        yield good(name, "logged in, no superuser")


def _rights(database: Database) -> Iterator[Check]:
    with _connected(database, "audit_reader") as connection:
        live = live_rights(connection, ROLES)
    yield differing(
        "database: rights",
        allowed_rights(authorization()),
        live,
        grant=f"start the house once as the migrating login, or GRANT; {_RIGHTS_TODO}",
        revoke=f"REVOKE them; {_RIGHTS_TODO}",
    )


def _clock(database: Database) -> Iterator[Check]:
    with _connected(database, "audit_reader") as connection:
        before = datetime.now(UTC)
        row = connection.execute(CLOCK).fetchone()
        after = datetime.now(UTC)
    assert row is not None, "a server has a clock"
    yield skew("database: clock", row[0], before, after)


def skew(
    name: str, theirs: datetime, before: datetime, after: datetime, slack_s: float = 0
) -> Check:
    """Compare another clock with ours, which it was read between."""
    early, late = (before - theirs).total_seconds(), (theirs - after).total_seconds()
    off = max(early, late, 0.0)
    words = f"{off:.1f} s from ours"
    if off > SKEW_S_MAX + slack_s:
        return bad(name, words, "let NTP keep the time on both machines")
    return good(name, words)


@contextlib.contextmanager
def _connected(database: Database, role: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(database.dsn(role), autocommit=True) as connection:
        yield connection
