"""Who looked at whose data: the access log, for auditors and compliance. Reading it is recorded."""

from __future__ import annotations

from typing import Annotated, Final, Self

from fastapi import Query
from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from starlette.requests import Request

from api.door.bodies import StrictRouter
from api.door.pages import place_in
from api.door.problems import ApiProblem
from api.door.views import View
from api.door.words import PAGE_DEFAULT, PAGE_MAX, Id, Instant, Position, QueryModel
from api.house import vocabulary
from api.house.front import WAIT_S, AtFront
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from api.records.access_words import Action, Outcome
from projections.access import Access, accesses, wait_for

ROUTER: Final = StrictRouter(prefix="/v1/access", tags=["access"])

SubjectText = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z]+:[\x21-\x7e]{1,120}$")]


class Asked(QueryModel):
    """Which records: all, or those of one client, of one identity, of a time, of one outcome."""

    client: Id | None = None
    subject: SubjectText | None = None
    since: Annotated[Instant | None, Field(alias="from")] = None
    until: Annotated[Instant | None, Field(alias="to")] = None
    outcome: Outcome | None = None
    cursor: Annotated[str, Field(max_length=64)] | None = None
    limit: Annotated[Position, Field(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.since and self.until and self.since > self.until:
            raise ValueError("`from` is not after `to`")
        return self


class AccessView(View):
    """One access, or `count` of a kind; the words of each field stand in docs/access-log.md.

    `clients` is `["*"]` where the log was read as a whole.
    """

    position: int
    at: AwareDatetime
    recorded_at: AwareDatetime
    subject: str
    service: str
    action: Action
    outcome: Outcome
    did: list[str]
    fields: list[str]
    clients: list[str]
    accounts: list[str]
    things: list[str]
    role: str
    scope: str
    request_id: str
    method: str
    route: str
    target: str
    status: int
    reason: str
    count: int
    digest: str


class AccessPage(View):
    """One page of records in order; `cursor` goes on after it, and is missing on the last."""

    items: list[AccessView]
    cursor: str | None


@ROUTER.get("")
def read_access(
    request: Request,
    caller: Annotated[Caller, Needs("access:read")],  # noqa: ARG001 - only the door asks for it
    asked: Annotated[Asked, Query()],
    front: AtFront,
) -> AccessPage:
    """Read who read or changed what, everything that was recorded until now."""
    touched(request, "read access log", client=asked.client)
    listing = f"access/{asked.client}/{asked.subject}/{asked.since}/{asked.until}/{asked.outcome}"
    after = place_in(front.house, asked, listing)
    head = front.house.access.head()
    with front.reads.log() as connection:
        if not wait_for(connection, head, WAIT_S):
            raise ApiProblem("not_yet")
        found = accesses(
            connection,
            vocabulary.ACCESS,
            client=asked.client,
            subject=asked.subject,
            since=asked.since,
            until=asked.until,
            outcome=asked.outcome,
            after=after,
            limit=asked.limit,
        )
    cursor = None if found.next is None else front.house.cursors.seal(found.next, listing)
    return AccessPage(items=[_view(row) for row in found.rows], cursor=cursor)


def _view(row: Access) -> AccessView:
    fact = row.fact
    return AccessView(
        position=row.position,
        at=row.at,
        recorded_at=row.recorded_at,
        subject=fact.subject,
        service=row.by,
        action=Action(fact.action),
        outcome=Outcome(fact.outcome),
        did=list(fact.did),
        fields=list(fact.fields),
        clients=list(fact.clients),
        accounts=list(fact.accounts),
        things=list(fact.things),
        role=fact.role,
        scope=fact.scope,
        request_id=fact.request_id,
        method=fact.method,
        route=fact.route,
        target=fact.target,
        status=fact.status,
        reason=fact.reason,
        count=fact.count,
        digest=row.digest.hex(),
    )
