"""Pages of a listing: by the position of what made each row, never by offset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec
from psycopg.sql import SQL, Composed, Identifier, Placeholder

from projections.rows import fetch

if TYPE_CHECKING:
    from typing import LiteralString

    from psycopg import Connection

R = TypeVar("R", bound=msgspec.Struct)

LIMIT_MAX: Final = 1_000


class Page(msgspec.Struct, Generic[R], frozen=True):
    """Rows in order; `next` goes on after them, None where nothing follows."""

    rows: tuple[R, ...]
    next: int | None = None


def listing(
    connection: Connection[Any],
    query: LiteralString,
    row: type[R],
    *,
    after: int,
    limit: int,
    cursor: str = "position",
    **filters: Any,
) -> Page[R]:
    """Read a page of a query that holds `{where}`, and take `limit` rows of it.

    Args:
        query: ends with its ORDER BY; `{where}` stands for the conditions.
        after: the cursor of the last row that the caller has; 0 begins.
        cursor: the column that the order and the cursor go by.
        filters: column = value, where the value is not None.
    """
    assert 0 < limit <= LIMIT_MAX, f"a page has 1 to {LIMIT_MAX} rows"
    wanted = {column: value for column, value in filters.items() if value is not None}
    where = conditions(wanted, SQL("{} > %(after)s").format(Identifier(cursor)))
    found = fetch(
        connection,
        SQL(query).format(where=where) + SQL(" LIMIT %(limit)s"),
        {**wanted, "after": after, "limit": limit + 1},
        row,
    )
    return page_of(found, limit, cursor)


def one(connection: Connection[Any], query: LiteralString, row: type[R], **key: Any) -> R | None:
    """Return the one row of a listing's query that has this key."""
    found = fetch(connection, SQL(query).format(where=conditions(key)), key, row)
    assert len(found) <= 1, f"{key} names one row"
    return found[0] if found else None


def page_of(found: list[R], limit: int, cursor: str) -> Page[R]:
    """Cut what was read, one row more than asked for, to a page."""
    rows = tuple(found[:limit])
    return Page(rows, getattr(rows[-1], cursor) if len(found) > limit else None)


def conditions(equal: dict[str, Any], *more: Composed | SQL) -> Composed:
    """Write conditions: each named column equals its parameter, and what is given besides."""
    parts = [SQL("{} = {}").format(Identifier(name), Placeholder(name)) for name in equal]
    return SQL(" AND ").join([*parts, *more])
