"""The dispute queue: what has the least time left comes first. For staff only."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime
from starlette.requests import Request

from api.door.bodies import StrictRouter
from api.door.pages import page_of, place_in
from api.door.views import Amount, Listing, View, plain, shown
from api.door.words import Fresh, Id, Page
from api.house.front import AtFront
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from ledger.errors import NotFound
from ledger.ids import ClientId
from payments.dispute import Phase
from payments.notices import CaseStatus
from projections import disputes as rows

ROUTER: Final = StrictRouter(prefix="/v1/disputes", tags=["disputes"])


class DisputeView(View):
    """A dispute: the case, and what the provider's balance lines moved."""

    dispute: UUID
    provider: str
    merchant_account: str
    reference: str
    charge: str | None
    deposit: UUID | None
    client: UUID | None
    amount: str
    currency: str
    reason: str
    phase: Phase
    case_status: CaseStatus | None
    due_by: AwareDatetime | None
    seconds_left: int | None
    opened_at: AwareDatetime
    withdrawn: list[Amount]
    reinstated: list[Amount]
    fees: list[Amount]
    charged: list[Amount]


class Asked(Page):
    """Which disputes: those that wait for us, or all in one phase, by client or deposit."""

    phase: Phase | None = None
    client: Id | None = None
    deposit: Id | None = None


@ROUTER.get("")
def list_disputes(
    request: Request,
    caller: Annotated[Caller, Needs("disputes:read")],
    asked: Annotated[Asked, Query()],
    front: AtFront,
) -> Listing[DisputeView]:
    """List disputes: without a filter those that wait for us, by the time left."""
    if asked.client is not None:
        caller.must_see(ClientId(asked.client), caller.entity)
    touched(request, "listed disputes", client=ClientId(asked.client) if asked.client else None)
    filters = {"phase": asked.phase, "client": asked.client, "deposit": asked.deposit}
    listing = f"disputes/{asked.phase}/{asked.client}/{asked.deposit}"
    after = place_in(front.house, asked, listing)
    with front.reads.models(asked.after) as connection:
        if not any(filters.values()):
            found = rows.dispute_queue(connection, after=after, limit=asked.limit)
        else:
            found = rows.disputes(
                connection,
                client=asked.client,
                deposit=asked.deposit,
                phase=asked.phase,
                after=after,
                limit=asked.limit,
            )
    touched(request, "listed disputes", clients=[row.client for row in found.rows])
    return page_of(front.house, found, lambda row: _view(front, row), listing)


@ROUTER.get("/{dispute}")
def read_dispute(
    request: Request,
    dispute: Id,
    caller: Annotated[Caller, Needs("disputes:read")],
    asked: Annotated[Fresh, Query()],
    front: AtFront,
) -> DisputeView:
    """Read one dispute."""
    with front.reads.models(asked.after) as connection:
        found = rows.dispute(connection, dispute)
    if found is None or found.entity != caller.entity:
        raise NotFound("no such dispute", code="no_such_dispute")
    touched(request, "read dispute", client=ClientId(found.client) if found.client else None)
    return _view(front, found)


def _view(front: AtFront, row: rows.DisputeRow) -> DisputeView:
    left = None if row.due_by is None else row.due_by - front.house.clock()
    return DisputeView(
        dispute=row.dispute,
        provider=row.provider,
        merchant_account=row.merchant_account,
        reference=row.reference,
        charge=row.charge,
        deposit=row.deposit,
        client=row.client,
        amount=plain(row.minor, row.currency),
        currency=row.currency,
        reason=row.reason,
        phase=row.phase,
        case_status=row.case_status,
        due_by=row.due_by,
        seconds_left=None if left is None else int(left.total_seconds()),
        opened_at=row.opened_at,
        withdrawn=_amounts(row.withdrawn),
        reinstated=_amounts(row.reinstated),
        fees=_amounts(row.fees),
        charged=_amounts(row.charged),
    )


def _amounts(by_currency: dict[str, int]) -> list[Amount]:
    return [shown(minor, currency) for currency, minor in sorted(by_currency.items())]
