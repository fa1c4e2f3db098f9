"""Pages of a listing behind opaque cursors: good for that listing and its filters only."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from api.views import Listing

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from api.bootstrap import House
    from api.words import Page
    from projections.pages import Page as Rows

R = TypeVar("R")


def place_in(house: House, asked: Page, listing: str) -> int:
    """Return where the asked page begins.

    Raises:
        ApiProblem: the cursor is another listing's, or none of ours (`bad_cursor`).
    """
    return 0 if asked.cursor is None else house.cursors.open(asked.cursor, listing)


def page_of(house: House, found: Rows[Any], view: Callable[[Any], R], listing: str) -> Listing[R]:
    """Show a page of rows."""
    cursor = None if found.next is None else house.cursors.seal(found.next, listing)
    return Listing(items=[view(row) for row in found.rows], cursor=cursor)
