"""Holds every connection of a running house to the one role that it is for."""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import psycopg

from adapters.database.errors import LoginRefused
from adapters.database.roles import ROLES

if TYPE_CHECKING:
    from adapters.database.roles import Database

LOG: Final = logging.getLogger("counterfoil.database")
WORKING: Final = ("book_writer", "access_writer", "projector", "finance_reader", "audit_reader")
"""The roles that a running house connects as: the owner and who deletes are not among them."""

ACTS_AS: Final = """
SELECT current_user::text,
       ARRAY(SELECT rolname::text FROM pg_roles
             WHERE rolname = ANY(%s) AND rolname <> %s
               AND pg_has_role(session_user, oid, 'MEMBER')
             ORDER BY 1)
"""


def refuse_wide_logins(database: Database, *, shared: bool = False) -> None:
    """Look who we are as each role, before anything is done.

    A session that only *set* its role can reset it, so a login that may act as several roles is as
    wide as all of them. On this machine that is told and served; elsewhere it is refused, unless
    the settings say that it is meant.

    Args:
        database: open, its schema up to date.
        shared: accept a wide login on a server that is not this machine.

    Raises:
        LoginRefused: we are another role than we should be, or a login is too wide.
    """
    for role in WORKING:
        with psycopg.connect(database.dsn(role)) as connection:
            row = connection.execute(ACTS_AS, (list(ROLES), role)).fetchone()
            near = _is_near(connection.info.hostaddr)
        assert row is not None, "the question has an answer"
        acting, others = row
        if acting != role:
            raise LoginRefused(f"as {role} we are {acting}: DATABASE_URL_{role.upper()} is wrong")
        if not others:
            continue
        words = f"the login for {role} may act as {', '.join(others)} too"
        if not (near or shared):
            raise LoginRefused(
                f"{words}: give each role a login of its own (`database_logins`, or "
                f"DATABASE_URL_{role.upper()}), or say `shared_database_login = true`"
            )
        LOG.warning("%s", words)


def _is_near(address: str) -> bool:
    # A unix socket has no address.
    return not address or ip_address(address).is_loopback
