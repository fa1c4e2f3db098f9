"""What a rule may not decide: the list that a person works through. For staff only."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime
from starlette.requests import Request

from api.door.bodies import StrictRouter
from api.door.pages import page_of, place_in
from api.door.views import Listing, View
from api.door.words import Id, Page
from api.house.front import AtFront
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from projections import trails as rows

ROUTER: Final = StrictRouter(prefix="/v1/reviews", tags=["reviews"])


class ReviewView(View):
    """Something to look at: `subject` is the deposit, payout, dispute or notice."""

    position: int
    subject: UUID
    reason: str
    opened_at: AwareDatetime


class Asked(Page):
    """Which reviews: all, or those of one subject."""

    subject: Id | None = None


@ROUTER.get("")
def list_reviews(
    request: Request,
    caller: Annotated[Caller, Needs("reviews:read")],  # noqa: ARG001 - opens the door
    asked: Annotated[Asked, Query()],
    front: AtFront,
) -> Listing[ReviewView]:
    """List what a person must look at, oldest first."""
    touched(request, "listed reviews")
    listing = f"reviews/{asked.subject}"
    after = place_in(front.house, asked, listing)
    with front.reads.models(asked.after) as connection:
        found = rows.reviews(connection, subject=asked.subject, after=after, limit=asked.limit)
    touched(request, "listed reviews", things=[row.subject for row in found.rows])
    return page_of(front.house, found, ReviewView.model_validate, listing)
