"""Deposits: what was announced, what came, what the client got, what went back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from payments import facts
from payments.deposit import DepositStatus
from projections.pages import Page, listing, one
from projections.rows import Folded, Table, known, stream_of

if TYPE_CHECKING:
    from typing import Any

    from psycopg import Connection

    from ledger.decision import Event
    from ledger.fx import Conversion

LIST: Final = "SELECT * FROM read.deposit WHERE {where} ORDER BY position"
LIST_FOR_CLIENT: Final = """
SELECT deposit, client, method, status, minor, currency, into_currency, credited_minor, rate,
       refunded_minor, initiated_at, confirmed_at, settled_at, position
FROM read.deposit WHERE {where} ORDER BY position
"""


class DepositRow(msgspec.Struct, frozen=True):
    """A deposit as finance sees it. `minor` beside `currency` is what was announced.

    Attributes:
        received_minor: what came, in `received_currency`; None until the provider confirms.
        credited_minor: what the client got, in `into_currency`; None while it waits for a rate or
            for a person.
        refunded_minor: what went back or is on its way back, in `currency`: payouts of ours to the
            charge, and refunds that the provider made by itself.
        warned: the issuer suspects fraud; like a disputed charge it is not refunded by a plan.
        refunds: the same by refund or payout; 0 where it came to nothing.
        reason: why it failed or is in suspense. Internal.
    """

    deposit: UUID
    client: UUID
    entity: str
    provider: str
    merchant_account: str
    method: str
    status: DepositStatus
    minor: int
    currency: str
    into_currency: str
    received_minor: int | None
    received_currency: str | None
    credited_minor: int | None
    rate: Decimal | None
    refunded_minor: int
    refunds: dict[str, int]
    disputed: bool
    warned: bool
    fee_minor: int | None
    fee_currency: str | None
    reference: str | None
    charge: str | None
    reason: str | None
    initiated_at: datetime
    confirmed_at: datetime | None
    settled_at: datetime | None
    position: int
    changed: int


class ClientDeposit(msgspec.Struct, frozen=True):
    """A deposit as its client sees it: no provider, no reason, no dispute."""

    deposit: UUID
    client: UUID
    method: str
    status: DepositStatus
    minor: int
    currency: str
    into_currency: str
    credited_minor: int | None
    rate: Decimal | None
    refunded_minor: int
    initiated_at: datetime
    confirmed_at: datetime | None
    settled_at: datetime | None
    position: int


def _evolve(row: DepositRow | None, event: Event) -> DepositRow:
    if isinstance(event.fact, facts.DepositInitiated):
        return _initiated(event.fact, event)
    moved = _moved(known(row, event), event)
    return msgspec.structs.replace(moved, changed=event.position)


def _initiated(fact: facts.DepositInitiated, event: Event) -> DepositRow:
    return DepositRow(
        deposit=fact.deposit,
        client=fact.client,
        entity=fact.entity,
        provider=fact.provider,
        merchant_account=fact.merchant_account,
        method=fact.method,
        status=DepositStatus.INITIATED,
        minor=fact.amount.minor,
        currency=fact.amount.currency,
        into_currency=fact.into,
        received_minor=None,
        received_currency=None,
        credited_minor=None,
        rate=None,
        refunded_minor=0,
        refunds={},
        disputed=False,
        warned=False,
        fee_minor=None,
        fee_currency=None,
        reference=None,
        charge=None,
        reason=None,
        initiated_at=event.at,
        confirmed_at=None,
        settled_at=None,
        position=event.position,
        changed=event.position,
    )


def _moved(row: DepositRow, event: Event) -> DepositRow:
    replace = msgspec.structs.replace
    match event.fact:
        case facts.PaymentSubmitted() as fact:
            return replace(row, reference=fact.reference)
        case facts.DepositAuthorised():
            return replace(row, status=DepositStatus.AUTHORISED)
        case facts.DepositFailed() as fact:
            return replace(row, status=DepositStatus.FAILED, reason=fact.reason)
        case facts.DepositConfirmed() as fact:
            return _confirmed(row, fact, event)
        case facts.DepositSuspended() as fact:
            return replace(
                row,
                status=DepositStatus.SUSPENDED,
                received_minor=fact.amount.minor,
                received_currency=fact.amount.currency,
                confirmed_at=event.at,
                reason=fact.reason,
            )
        case facts.DepositConverted() as fact:
            return _credited(row, fact.conversion)
        case facts.DepositSettled() as fact:
            return replace(
                row,
                settled_at=event.at,
                fee_minor=fact.fee.minor,
                fee_currency=fact.fee.currency,
            )
        case facts.DisputeAttached():
            return replace(row, disputed=True)
        case facts.ChargeWarned():
            return replace(row, warned=True)
        case _:
            return _moved_back(row, event)


def _moved_back(row: DepositRow, event: Event) -> DepositRow:
    match event.fact:
        case facts.DepositRefunded() as fact:
            return _refunded(row, fact.refund, fact.amount.minor)
        case facts.DepositRefundFailed() as fact:
            return _refunded(row, fact.refund, 0)
        case facts.RefundReserved() as fact:
            return _refunded(row, str(fact.payout), fact.amount.minor)
        case facts.RefundRestored() as fact:
            return _refunded(row, str(fact.payout), 0)
        case _:
            return row


def _confirmed(row: DepositRow, fact: facts.DepositConfirmed, event: Event) -> DepositRow:
    row = msgspec.structs.replace(
        row,
        status=DepositStatus.CONFIRMED,
        received_minor=fact.amount.minor,
        received_currency=fact.amount.currency,
        charge=fact.charge,
        confirmed_at=event.at,
        reason=None,
    )
    if fact.conversion is not None:
        return _credited(row, fact.conversion)
    if fact.amount.currency == row.into_currency:
        return msgspec.structs.replace(row, credited_minor=fact.amount.minor)
    return row


def _credited(row: DepositRow, conversion: Conversion) -> DepositRow:
    return msgspec.structs.replace(
        row, credited_minor=conversion.bought.minor, rate=conversion.rate
    )


def _refunded(row: DepositRow, refund: str, minor: int) -> DepositRow:
    refunds = row.refunds | {refund: minor}
    return msgspec.structs.replace(row, refunds=refunds, refunded_minor=sum(refunds.values()))


DEPOSITS: Final = Folded(
    Table("deposit", DepositRow, "deposit"),
    dict.fromkeys(
        (
            facts.DepositInitiated,
            facts.PaymentSubmitted,
            facts.DepositAuthorised,
            facts.DepositFailed,
            facts.DepositConfirmed,
            facts.DepositSuspended,
            facts.DepositConverted,
            facts.DepositSettled,
            facts.DepositRefunded,
            facts.DepositRefundFailed,
            facts.RefundReserved,
            facts.RefundRestored,
            facts.DisputeAttached,
            facts.ChargeWarned,
        ),
        stream_of,
    ),
    _evolve,
    begins=facts.DepositInitiated,
)


def deposits(
    connection: Connection[Any],
    *,
    client: UUID | None = None,
    status: DepositStatus | None = None,
    after: int = 0,
    limit: int = 100,
) -> Page[DepositRow]:
    """List deposits, oldest first."""
    return listing(
        connection, LIST, DepositRow, after=after, limit=limit, client=client, status=status
    )


def deposit(connection: Connection[Any], deposit: UUID) -> DepositRow | None:
    """Return a deposit."""
    return one(connection, LIST, DepositRow, deposit=deposit)


def client_deposits(
    connection: Connection[Any],
    client: UUID,
    *,
    status: DepositStatus | None = None,
    after: int = 0,
    limit: int = 100,
) -> Page[ClientDeposit]:
    """List a client's deposits as the client may see them."""
    return listing(
        connection,
        LIST_FOR_CLIENT,
        ClientDeposit,
        after=after,
        limit=limit,
        client=client,
        status=status,
    )


def client_deposit(
    connection: Connection[Any], client: UUID, deposit: UUID
) -> ClientDeposit | None:
    """Return one of the client's own deposits as the client may see it."""
    return one(connection, LIST_FOR_CLIENT, ClientDeposit, client=client, deposit=deposit)
