"""The log as it is stored, for auditors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field
from starlette.requests import Request

from api.door.bodies import StrictRouter
from api.door.views import View
from api.door.words import PAGE_DEFAULT, PAGE_MAX, Position, QueryModel
from api.house.front import AtFront
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from ledger.store.chain import Row, moment
from ledger.store.rows import row_of
from projections.log import ROWS_AFTER

if TYPE_CHECKING:
    from collections.abc import Iterable

ROUTER: Final = StrictRouter(prefix="/v1/events", tags=["books"])
_ID: Final = rb"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_CLIENT: Final = re.compile(rb'"client":"' + _ID + rb'"|:client:[a-z-]+:' + _ID)


class EventView(View):
    """A row of the log. `state` is its exact text, because the digest is over that."""

    position: int
    stream: UUID
    version: int
    name: str
    state: str
    recorded_at: AwareDatetime
    request_key: str | None
    digest: str


class Asked(QueryModel):
    """The rows after a position."""

    after: Position = 0
    limit: Annotated[Position, Field(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT


class Events(View):
    """Rows of the log in order; `after` goes on behind them."""

    events: list[EventView]
    after: int


@ROUTER.get("")
def read_events(
    request: Request,
    caller: Annotated[Caller, Needs("events:read")],  # noqa: ARG001 - only the door asks for it
    asked: Annotated[Asked, Query()],
    front: AtFront,
) -> Events:
    """Read the log as it is stored, with the digest that chains each row to those before it."""
    touched(request, "read events")
    with front.reads.log() as connection, connection.cursor(binary=True) as cursor:
        rows = [row_of(fields) for fields in cursor.execute(ROWS_AFTER, (asked.after, asked.limit))]
    touched(request, "read events", clients=clients_in(row.state for row in rows))
    after = rows[-1].position if rows else asked.after
    return Events(events=[_view(row) for row in rows], after=after)


def clients_in(states: Iterable[bytes]) -> set[str]:
    """Name the clients that stored facts speak of: by the field, or by their accounts."""
    found = (match for state in states for match in _CLIENT.finditer(state))
    return {(match[1] or match[2]).decode() for match in found}


def _view(row: Row) -> EventView:
    return EventView(
        position=row.position,
        stream=row.stream,
        version=row.version,
        name=row.name,
        state=row.state.decode(),
        recorded_at=moment(row.recorded_us),
        request_key=None if row.key is None else row.key.hex(),
        digest=row.digest.hex(),
    )
