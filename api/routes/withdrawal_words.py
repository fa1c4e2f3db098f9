"""The words of withdrawals: what is asked for, and what each reader may see of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from api.door.bodies import RequestModel
from api.door.views import Amount, Recorded, View, maybe_shown, plain
from api.door.words import AmountText, CurrencyText, Id, Page, Reference, Slug
from api.house.merchants import require_merchant
from ledger.finding import ClientCode
from ledger.ids import DepositId
from ledger.money import usable_asset
from payments.facts import Route, RouteKind
from payments.withdrawal import WithdrawalStatus
from projections.withdrawals import WithdrawalPhase

if TYPE_CHECKING:
    from datetime import date

    from api.house.bootstrap import House
    from projections import withdrawals as rows


class ToCharge(RequestModel):
    """Back to the charge of one of the client's own deposits."""

    kind: Literal["refund"]
    deposit: Id


class ToBank(RequestModel):
    """To a recipient in the client's own name, whom the provider verifies before it pays."""

    kind: Literal["bank"]
    recipient: Reference
    method: Reference
    provider: Slug
    merchant_account: Slug
    currency: CurrencyText


class NewWithdrawal(RequestModel):
    """A client's request for money: an amount of one wallet, and the way it takes."""

    client: Id
    amount: AmountText
    currency: CurrencyText
    route: Annotated[ToCharge | ToBank, Field(discriminator="kind")]


class Requested(Recorded):
    """A withdrawal that is held. `codes` are all that a client is told of what it waits for."""

    withdrawal: UUID
    client: UUID
    status: WithdrawalStatus
    amount: str
    currency: str
    codes: list[ClientCode]
    expires_at: AwareDatetime


class Moved(Recorded):
    """Where the withdrawal stands now."""

    withdrawal: UUID
    status: WithdrawalStatus


class WithdrawalView(View):
    """A withdrawal as its client sees it."""

    withdrawal: UUID
    client: UUID
    status: WithdrawalPhase
    amount: str
    currency: str
    codes: list[ClientCode]
    route: RouteKind
    route_currency: str
    requested_at: AwareDatetime
    expires_at: AwareDatetime
    changed_at: AwareDatetime


class FindingView(View):
    """What a gate said, with its internal reason."""

    gate: str
    clear: bool
    internal: str


class WithdrawalInFull(WithdrawalView):
    """A withdrawal as operations, finance and compliance see it."""

    findings: list[FindingView]
    approvals: list[str]
    reason: str | None
    provider: str
    merchant_account: str
    deposit: UUID | None
    payout: UUID | None
    paid: Amount | None
    uncertain: bool
    reference: str | None
    payout_reason: str | None
    credited_back: bool


class Asked(Page):
    """Which withdrawals."""

    client: Id | None = None
    status: WithdrawalPhase | None = None


def way_of(house: House, to: ToCharge | ToBank, today: date) -> Route | DepositId:
    """Read where the money shall go.

    Raises:
        NotFound: no such merchant account.
        InvalidInput: the currency takes no new amounts.
    """
    if isinstance(to, ToCharge):
        return DepositId(to.deposit)
    require_merchant(house, to.provider, to.merchant_account)
    return Route(
        kind=RouteKind.BANK,
        provider=to.provider,
        merchant_account=to.merchant_account,
        currency=usable_asset(to.currency, today).code,
        recipient=to.recipient,
        method=to.method,
    )


def view(row: rows.ClientWithdrawal) -> WithdrawalView:
    """Show a client their withdrawal."""
    return WithdrawalView(
        withdrawal=row.withdrawal,
        client=row.client,
        status=row.phase,
        amount=plain(row.minor, row.currency),
        currency=row.currency,
        codes=list(row.hold_codes),
        route=row.route_kind,
        route_currency=row.route_currency,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        changed_at=row.changed_at,
    )


def in_full(row: rows.Withdrawal, *, with_reasons: bool) -> WithdrawalInFull:
    """Show staff a withdrawal; the gates' inner reasons are compliance's and the auditor's."""
    arrived = row.phase is WithdrawalPhase.SETTLED
    paid = maybe_shown(row.paid_minor, row.paid_currency) if arrived else None
    return WithdrawalInFull(
        withdrawal=row.withdrawal,
        client=row.client,
        status=row.phase,
        amount=plain(row.minor, row.currency),
        currency=row.currency,
        codes=[ClientCode(code) for code in row.hold_codes],
        route=row.route_kind,
        route_currency=row.route_currency,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        changed_at=row.payout_changed_at or row.changed_at,
        findings=[FindingView.model_validate(finding) for finding in row.findings if with_reasons],
        approvals=list(row.approvals),
        reason=row.reason,
        provider=row.provider,
        merchant_account=row.merchant_account,
        deposit=row.deposit,
        payout=row.payout,
        paid=paid,
        uncertain=row.uncertain,
        reference=row.reference,
        payout_reason=row.payout_reason,
        credited_back=row.credited_back,
    )
