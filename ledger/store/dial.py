"""Opening connections with the password of now: it may change while the book is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

Dsn = str | Callable[[], str]
"""Where the database is. What is called gives the address with the password of now; sessions
that are open go on after a change."""


def address(dsn: Dsn) -> str:
    """Give the address as it is now."""
    return dsn if isinstance(dsn, str) else dsn()


def dial(dsn: Dsn, **options: Any) -> psycopg.Connection[Any]:
    """Connect, in autocommit. A password that was changed since it was asked for is asked for anew.

    Raises:
        psycopg.OperationalError: the database cannot be reached, or refuses the newest password.
    """
    asked = address(dsn)
    try:
        return psycopg.connect(asked, autocommit=True, **options)
    except psycopg.OperationalError:
        again = address(dsn)
        if again == asked:
            raise
    return psycopg.connect(again, autocommit=True, **options)
