"""Nothing runs as owner: every connection of a house is held to its role."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from adapters.database import acting
from adapters.database.acting import WORKING, refuse_wide_logins
from adapters.database.errors import LoginRefused
from adapters.database.roles import ROLES, Database
from api.identity.scopes import Role
from tests.integration.api.street import open_street, quote, withdrawal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONNECTED = """
SELECT DISTINCT usename::text FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
  AND pid <> pg_backend_pid()
"""


def changed(database: Database, **dsns: str) -> Database:
    return dataclasses.replace(database, role_dsns={**database.role_dsns, **dsns})


def set_role(database: Database, role: str) -> str:
    return Database.from_url(database.admin_dsn, {}).dsn(role)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Play that the server is another machine: here there is only one."""
    monkeypatch.setattr(acting, "_is_near", lambda _: False)


class Watch:
    """Looks again and again who is connected."""

    def __init__(self, database: Database) -> None:
        self.seen: set[str] = set()
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    def sees(self, name: str) -> bool:
        ends = time.monotonic() + 30
        while name not in self.seen and time.monotonic() < ends:
            time.sleep(0.01)
        return name in self.seen

    def _look(self) -> None:
        with psycopg.connect(self._database.admin_dsn, autocommit=True) as connection:
            while True:
                self.seen |= {name for (name,) in connection.execute(CONNECTED)}
                if self._stop.wait(0.01):
                    return


def test_a_house_at_work_connects_as_its_named_roles_and_nobody_else(
    database: Database, tmp_path: Path
) -> None:
    with Watch(database) as watch, open_street(database, tmp_path) as street:
        client = street.register("EUR")
        paid = street.pay_in(client, "50.00", "EUR")
        street.verify(client)
        body = withdrawal(client, paid["deposit"])
        street.do(Role.CLIENT, "/v1/withdrawals", body, whose=client)
        street.do(Role.CLIENT, "/v1/conversions/quotes", quote(client), whose=client)
        street.calm()
        head = street.house.book.head()
        street.see(Role.FINANCE, "/v1/trial-balance", after=head)
        street.see(Role.AUDIT, "/v1/events")
        street.see(Role.OPERATOR, "/readyz")

    assert watch.seen == set(WORKING)


def test_the_watch_sees_a_connection_of_the_owner(database: Database) -> None:
    with Watch(database) as watch, psycopg.connect(database.dsn("migrator")):
        assert watch.sees("migrator")


@pytest.mark.parametrize("role", WORKING)
def test_a_house_with_the_administrators_login_does_not_open(
    database: Database, tmp_path: Path, role: str
) -> None:
    wide = changed(database, **{role: database.admin_dsn})
    with (
        pytest.raises(LoginRefused, match=f"as {role} we are postgres"),
        open_street(wide, tmp_path),
    ):
        pass


def test_a_house_with_another_roles_login_does_not_open(database: Database) -> None:
    with pytest.raises(LoginRefused, match="as book_writer we are migrator"):
        refuse_wide_logins(changed(database, book_writer=database.dsn("migrator")))
    refuse_wide_logins(database)


def test_a_login_that_can_reset_its_role_is_refused_on_another_machine(
    database: Database, elsewhere: None
) -> None:
    wide = changed(database, book_writer=set_role(database, "book_writer"))

    with pytest.raises(LoginRefused, match=r"may act as .*migrator"):
        refuse_wide_logins(wide)
    refuse_wide_logins(wide, shared=True)
    refuse_wide_logins(database)


def test_on_this_machine_it_is_served_and_told(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "counterfoil.database"):
        refuse_wide_logins(database)
        assert not caplog.records
        refuse_wide_logins(changed(database, projector=set_role(database, "projector")))

    (record,) = caplog.records
    assert "the login for projector may act as" in record.getMessage()


@pytest.fixture
def narrow(database: Database) -> Iterator[str]:
    """A login of somebody's own choosing that is a member of one role, and begins as it."""
    name = sql.Identifier("house_projector")
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        for words in (
            "CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'x' IN ROLE projector",
            "ALTER ROLE {name} SET role = projector",
        ):
            connection.execute(sql.SQL(words).format(name=name))
        try:
            yield make_conninfo(database.admin_dsn, user="house_projector", password="x")
        finally:
            connection.execute(sql.SQL("DROP ROLE {name}").format(name=name))


def test_a_login_of_its_own_name_is_as_good_as_the_roles(
    database: Database, narrow: str, elsewhere: None
) -> None:
    refuse_wide_logins(changed(database, projector=narrow))


def test_every_working_role_is_one_of_the_database() -> None:
    assert set(WORKING) == set(ROLES) - {"migrator", "retention"}
