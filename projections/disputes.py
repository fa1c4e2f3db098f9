"""The dispute queue: cases with their deadlines, and what the provider moved for them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
from psycopg.sql import SQL

from payments import facts
from payments.dispute import PHASE, Phase
from payments.notices import CaseStatus
from projections.pages import LIMIT_MAX, Page, conditions, listing, one, page_of
from projections.rows import Folded, Table, fetch, known, stream_of

if TYPE_CHECKING:
    from typing import Any

    from psycopg import Connection

    from ledger.decision import Event
    from ledger.money import Money

NEEDS_US: Final = (Phase.INQUIRY, Phase.OPEN, Phase.UNCLEAR)
"""Phases in which the next step is ours."""

LIST: Final = "SELECT * FROM read.dispute WHERE {where} ORDER BY position"
# A dispute without a deadline comes last; the cursor names the row that the caller had last.
QUEUE: Final = """
SELECT * FROM read.dispute WHERE {where}
ORDER BY coalesce(due_by, 'infinity'), position LIMIT %(limit)s
"""
BEYOND: Final = """
(coalesce(due_by, 'infinity'), position) > (
    SELECT coalesce(due_by, 'infinity'), position FROM read.dispute WHERE position = %(after)s
)
"""


class DisputeRow(msgspec.Struct, frozen=True):
    """A dispute. The amounts by currency are what the provider's lines say.

    Attributes:
        minor: the disputed amount, in `currency`.
        withdrawn: what was taken from us.
        reinstated: what was given back to us.
        fees: what it cost us, fees given back taken off.
        charged: what of it is charged to the client.
    """

    dispute: UUID
    entity: str
    provider: str
    merchant_account: str
    reference: str
    charge: str | None
    deposit: UUID | None
    client: UUID | None
    minor: int
    currency: str
    reason: str
    phase: Phase
    case_status: CaseStatus | None
    due_by: datetime | None
    opened_at: datetime
    seen_at: datetime
    withdrawn: dict[str, int]
    reinstated: dict[str, int]
    fees: dict[str, int]
    charged: dict[str, int]
    position: int
    changed: int


def _evolve(row: DisputeRow | None, event: Event) -> DisputeRow:
    if isinstance(event.fact, facts.DisputeOpened):
        return _opened(event.fact, event)
    return msgspec.structs.replace(_moved(known(row, event), event), changed=event.position)


def _opened(fact: facts.DisputeOpened, event: Event) -> DisputeRow:
    return DisputeRow(
        dispute=fact.dispute,
        entity=fact.entity,
        provider=fact.provider,
        merchant_account=fact.merchant_account,
        reference=fact.reference,
        charge=fact.charge,
        deposit=None,
        client=None,
        minor=fact.amount.minor,
        currency=fact.amount.currency,
        reason=fact.reason,
        phase=Phase.UNCLEAR,
        case_status=None,
        due_by=None,
        opened_at=fact.opened_at,
        seen_at=fact.opened_at,
        withdrawn={},
        reinstated={},
        fees={},
        charged={},
        position=event.position,
        changed=event.position,
    )


def _moved(row: DisputeRow, event: Event) -> DisputeRow:
    replace = msgspec.structs.replace
    match event.fact:
        case facts.DisputeLinked(deposit=deposit, client=client):
            return replace(row, deposit=deposit, client=client)
        case facts.CaseFact() as fact:
            return replace(
                row,
                phase=PHASE[fact.status],
                case_status=fact.status,
                due_by=fact.due_by,
                seen_at=fact.seen_at,
            )
        case facts.CaseSeen(seen_at=seen_at):
            return replace(row, seen_at=seen_at)
        case facts.DisputeFundsWithdrawn(amount=amount, fee=fee):
            return replace(row, withdrawn=_added(row.withdrawn, amount), fees=_added(row.fees, fee))
        case facts.DisputeFundsReinstated(amount=amount, fee=fee):
            return replace(
                row, reinstated=_added(row.reinstated, amount), fees=_added(row.fees, fee)
            )
        case facts.DisputeCharged(taken=taken):
            return replace(row, charged=row.charged | {taken.currency: taken.minor})
        case _:
            return row


def _added(amounts: dict[str, int], more: Money) -> dict[str, int]:
    return amounts | {more.currency: amounts.get(more.currency, 0) + more.minor}


DISPUTES: Final = Folded(
    Table("dispute", DisputeRow, "dispute"),
    dict.fromkeys(
        (
            facts.DisputeOpened,
            facts.DisputeLinked,
            facts.InquiryOpened,
            facts.InquiryClosed,
            facts.ChargebackOpened,
            facts.ChargebackRepresented,
            facts.ChargebackWon,
            facts.ChargebackLost,
            facts.DisputePrevented,
            facts.DisputeUnclear,
            facts.CaseSeen,
            facts.DisputeFundsWithdrawn,
            facts.DisputeFundsReinstated,
            facts.DisputeCharged,
        ),
        stream_of,
    ),
    _evolve,
    begins=facts.DisputeOpened,
)


def dispute_queue(
    connection: Connection[Any],
    *,
    phases: tuple[Phase, ...] = NEEDS_US,
    after: int = 0,
    limit: int = 100,
) -> Page[DisputeRow]:
    """List disputes that wait for us, least time left first."""
    assert 0 < limit <= LIMIT_MAX, f"a page has 1 to {LIMIT_MAX} rows"
    where = conditions({}, SQL("phase = ANY(%(phases)s)"), *((SQL(BEYOND),) if after else ()))
    params = {"phases": [str(phase) for phase in phases], "after": after, "limit": limit + 1}
    found = fetch(connection, SQL(QUEUE).format(where=where), params, DisputeRow)
    return page_of(found, limit, "position")


def disputes(
    connection: Connection[Any],
    *,
    client: UUID | None = None,
    deposit: UUID | None = None,
    phase: Phase | None = None,
    after: int = 0,
    limit: int = 100,
) -> Page[DisputeRow]:
    """List disputes, oldest first."""
    return listing(
        connection,
        LIST,
        DisputeRow,
        after=after,
        limit=limit,
        client=client,
        deposit=deposit,
        phase=phase,
    )


def dispute(connection: Connection[Any], dispute: UUID) -> DisputeRow | None:
    """Return a dispute."""
    return one(connection, LIST, DisputeRow, dispute=dispute)
