"""Withdrawals and their payouts. What a client is told and what compliance found stay apart."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from ledger.finding import ClientCode, Finding
from payments import facts
from payments.facts import RouteKind
from payments.withdrawal import WithdrawalStatus
from projections.pages import Page, listing, one
from projections.rows import Folded, Table, known, stream_of

if TYPE_CHECKING:
    from typing import Any

    from psycopg import Connection

    from ledger.decision import Event


# After submission the payout's phase is the withdrawal's.
LIST: Final = """
SELECT * FROM (
    SELECT w.*, coalesce(p.phase, w.status) AS phase,
           p.minor AS paid_minor, p.currency AS paid_currency, p.reference,
           p.reason AS payout_reason, coalesce(p.uncertain, false) AS uncertain,
           coalesce(p.credited_back, false) AS credited_back, p.changed_at AS payout_changed_at
    FROM read.withdrawal AS w LEFT JOIN read.payout AS p ON p.withdrawal = w.withdrawal
) AS seen WHERE {where} ORDER BY position
"""
LIST_FOR_CLIENT: Final = """
SELECT * FROM (
    SELECT w.withdrawal, w.client, coalesce(p.phase, w.status) AS phase, w.minor, w.currency,
           w.hold_codes, w.route_kind, w.route_currency, w.requested_at, w.expires_at,
           coalesce(p.changed_at, w.changed_at) AS changed_at, w.position
    FROM read.withdrawal AS w LEFT JOIN read.payout AS p ON p.withdrawal = w.withdrawal
) AS seen WHERE {where} ORDER BY position
"""


class WithdrawalPhase(StrEnum):
    """Where a withdrawal stands, its payout included: one word for people."""

    HELD = "held"
    CLEARED = "cleared"
    SUBMITTED = "submitted"
    SENT = "sent"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class WithdrawalRow(msgspec.Struct, frozen=True):
    """What the facts of the withdrawal's own stream say.

    Attributes:
        hold_codes: all that the client is told, sorted, each once: not how many gates are shut.
        findings: what every gate said, with its internal reason.
        changed_at: when that which the client sees last changed. A review of which
            the client is not told leaves no trace in it.
    """

    withdrawal: UUID
    client: UUID
    entity: str
    status: WithdrawalStatus
    minor: int
    currency: str
    hold_codes: tuple[str, ...]
    findings: tuple[Finding, ...]
    approvals: tuple[str, ...]
    reason: str | None
    route_kind: RouteKind
    provider: str
    merchant_account: str
    route_currency: str
    deposit: UUID | None
    recipient: str | None
    payout: UUID | None
    requested_at: datetime
    expires_at: datetime
    changed_at: datetime
    position: int
    changed: int


class Withdrawal(WithdrawalRow, frozen=True, kw_only=True):
    """A withdrawal with what became of its payout, as finance and compliance see it."""

    phase: WithdrawalPhase
    paid_minor: int | None
    paid_currency: str | None
    uncertain: bool
    reference: str | None
    payout_reason: str | None
    credited_back: bool
    payout_changed_at: datetime | None


class ClientWithdrawal(msgspec.Struct, frozen=True):
    """A withdrawal as its client sees it. Nothing internal is even selected."""

    withdrawal: UUID
    client: UUID
    phase: WithdrawalPhase
    minor: int
    currency: str
    hold_codes: tuple[ClientCode, ...]
    route_kind: RouteKind
    route_currency: str
    requested_at: datetime
    expires_at: datetime
    changed_at: datetime
    position: int


def _evolve(row: WithdrawalRow | None, event: Event) -> WithdrawalRow:
    if isinstance(event.fact, facts.WithdrawalRequested):
        return _requested(event.fact, event)
    before = known(row, event)
    after = _moved(before, event)
    same = (before.status, before.hold_codes) == (after.status, after.hold_codes)
    changed_at = before.changed_at if same else event.at
    return msgspec.structs.replace(after, changed_at=changed_at, changed=event.position)


def _requested(fact: facts.WithdrawalRequested, event: Event) -> WithdrawalRow:
    return WithdrawalRow(
        withdrawal=fact.withdrawal,
        client=fact.client,
        entity=fact.entity,
        status=WithdrawalStatus.HELD,
        minor=fact.amount.minor,
        currency=fact.amount.currency,
        hold_codes=(),
        findings=(),
        approvals=(),
        reason=None,
        route_kind=fact.route.kind,
        provider=fact.route.provider,
        merchant_account=fact.route.merchant_account,
        route_currency=fact.route.currency,
        deposit=fact.route.deposit,
        recipient=fact.route.recipient,
        payout=None,
        requested_at=event.at,
        expires_at=fact.expires_at,
        changed_at=event.at,
        position=event.position,
        changed=event.position,
    )


def _moved(row: WithdrawalRow, event: Event) -> WithdrawalRow:
    replace = msgspec.structs.replace
    match event.fact:
        case facts.WithdrawalHeld(findings=findings):
            codes = {str(f.client_code) for f in findings if not f.clear and f.client_code}
            return replace(
                row,
                status=WithdrawalStatus.HELD,
                hold_codes=tuple(sorted(codes)),
                findings=findings,
            )
        case facts.WithdrawalCleared(findings=findings):
            return replace(row, status=WithdrawalStatus.CLEARED, hold_codes=(), findings=findings)
        case facts.WithdrawalApproved(subject=subject):
            return replace(row, approvals=(*row.approvals, subject))
        case facts.WithdrawalCancelled():
            return replace(row, status=WithdrawalStatus.CANCELLED, hold_codes=())
        case facts.WithdrawalRejected(reason=reason):
            return replace(row, status=WithdrawalStatus.REJECTED, hold_codes=(), reason=reason)
        case facts.WithdrawalExpired():
            return replace(row, status=WithdrawalStatus.EXPIRED, hold_codes=())
        case facts.WithdrawalSubmitted(payout=payout):
            return replace(row, status=WithdrawalStatus.SUBMITTED, payout=payout)
        case _:
            return row


WITHDRAWALS: Final = Folded(
    Table("withdrawal", WithdrawalRow, "withdrawal"),
    dict.fromkeys(
        (
            facts.WithdrawalRequested,
            facts.WithdrawalHeld,
            facts.WithdrawalCleared,
            facts.WithdrawalApproved,
            facts.WithdrawalCancelled,
            facts.WithdrawalRejected,
            facts.WithdrawalExpired,
            facts.WithdrawalSubmitted,
        ),
        stream_of,
    ),
    _evolve,
    begins=facts.WithdrawalRequested,
)


def withdrawals(
    connection: Connection[Any],
    *,
    client: UUID | None = None,
    phase: WithdrawalPhase | None = None,
    after: int = 0,
    limit: int = 100,
) -> Page[Withdrawal]:
    """List withdrawals with their internal findings, oldest first."""
    return listing(
        connection, LIST, Withdrawal, after=after, limit=limit, client=client, phase=phase
    )


def withdrawal(connection: Connection[Any], withdrawal: UUID) -> Withdrawal | None:
    """Return a withdrawal with its internal findings."""
    return one(connection, LIST, Withdrawal, withdrawal=withdrawal)


def client_withdrawals(
    connection: Connection[Any],
    client: UUID,
    *,
    phase: WithdrawalPhase | None = None,
    after: int = 0,
    limit: int = 100,
) -> Page[ClientWithdrawal]:
    """List a client's withdrawals as the client may see them."""
    return listing(
        connection,
        LIST_FOR_CLIENT,
        ClientWithdrawal,
        after=after,
        limit=limit,
        client=client,
        phase=phase,
    )


def client_withdrawal(
    connection: Connection[Any], client: UUID, withdrawal: UUID
) -> ClientWithdrawal | None:
    """Return one of the client's own withdrawals as the client may see it."""
    return one(connection, LIST_FOR_CLIENT, ClientWithdrawal, client=client, withdrawal=withdrawal)
