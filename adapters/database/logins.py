"""Database logins whose password is a secret elsewhere, and may be another one tomorrow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from adapters.secrets.port import SecretsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.secrets.keeper import Keeper
    from adapters.secrets.port import Reference

MAKE_LOGIN = "CREATE ROLE {login} LOGIN NOINHERIT IN ROLE {role}"
# A session begins as the role that it is for, and as nothing else.
BEGIN_AS = "ALTER ROLE {login} SET role = {name}"


class Login:
    """A user, and where its password is."""

    __slots__ = ("password", "user")

    def __init__(self, user: str, password: Reference) -> None:
        self.user = user
        self.password = password


class LiveLogins(Mapping[str, str]):
    """The connection string of each role, with the password of the moment it is asked for."""

    def __init__(
        self, dsns: Mapping[str, str], logins: Mapping[str, Login], secrets: Keeper
    ) -> None:
        self._dsns, self._logins, self._secrets = dsns, logins, secrets

    def __getitem__(self, role: str) -> str:
        """Give a role's connection string.

        Raises:
            psycopg.OperationalError: its password is not to be had, which is no other trouble for
                whoever wants to connect than the database's being away.
        """
        login = self._logins.get(role)
        if login is None:
            return self._dsns[role]
        try:
            password = self._secrets.fresh(login.password)
        except SecretsError as error:
            raise psycopg.OperationalError(f"no password for {login.user}: {error}") from None
        return make_conninfo(self._dsns[role], user=login.user, password=password.reveal())

    def __iter__(self) -> Iterator[str]:
        return iter(self._dsns)

    def __len__(self) -> int:
        return len(self._dsns)


def make_logins(admin_dsn: str, users: Mapping[str, str]) -> None:
    """Make the users that are missing, each for one role; without a password nobody is let in.

    Args:
        admin_dsn: a login that may create roles.
        users: user by role.
    """
    with psycopg.connect(admin_dsn) as connection:
        for role, user in users.items():
            found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (user,))
            if found.fetchone() is None:
                parts = {"login": sql.Identifier(user), "role": sql.Identifier(role)}
                connection.execute(sql.SQL(MAKE_LOGIN).format(**parts))
                connection.execute(
                    sql.SQL(BEGIN_AS).format(login=parts["login"], name=sql.Literal(role))
                )
