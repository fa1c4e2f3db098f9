"""Pages of a listing behind opaque cursors: good for that listing and its filters only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from api.door.views import Listing

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from api.house.bootstrap import House
    from projections.pages import Page as Rows

R = TypeVar("R")


class Paged(Protocol):
    """A question that may go on behind a cursor."""

    @property
    def cursor(self) -> str | None: ...


def place_in(house: House, asked: Paged, listing: str) -> int:
    """Return where the asked page begins.

    Raises:
        ApiProblem: the cursor is another listing's, or none of ours (`bad_cursor`).
    """
    return 0 if asked.cursor is None else house.cursors.open(asked.cursor, listing)


def page_of(house: House, found: Rows[Any], view: Callable[[Any], R], listing: str) -> Listing[R]:
    """Show a page of rows."""
    cursor = None if found.next is None else house.cursors.seal(found.next, listing)
    return Listing(items=[view(row) for row in found.rows], cursor=cursor)
