"""What staff are shown of a withdrawal."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from api.routes.withdrawal_words import in_full
from payments.facts import RouteKind
from payments.withdrawal import WithdrawalStatus
from projections.withdrawals import Withdrawal, WithdrawalPhase

NOW = datetime(2026, 10, 22, tzinfo=UTC)


def submitted(phase: WithdrawalPhase) -> Withdrawal:
    """A withdrawal that was submitted, with its payout in this phase."""
    return Withdrawal(
        withdrawal=UUID(int=1),
        client=UUID(int=2),
        entity="acme-cy",
        status=WithdrawalStatus.SUBMITTED,
        minor=10_00,
        currency="EUR",
        hold_codes=(),
        findings=(),
        approvals=(),
        reason=None,
        route_kind=RouteKind.BANK,
        provider="stripe",
        merchant_account="stripe-eu",
        route_currency="USD",
        deposit=None,
        recipient="rcp_1",
        payout=UUID(int=3),
        requested_at=NOW,
        expires_at=NOW,
        changed_at=NOW,
        position=4,
        changed=5,
        phase=phase,
        paid_minor=11_00,
        paid_currency="USD",
        uncertain=False,
        reference="obp_1",
        payout_reason=None,
        credited_back=False,
        payout_changed_at=NOW,
    )


def test_what_arrived_is_shown_as_paid() -> None:
    paid = in_full(submitted(WithdrawalPhase.SETTLED), with_reasons=False).paid

    assert paid is not None
    assert (paid.amount, paid.currency) == ("11.00", "USD")


@pytest.mark.parametrize("phase", sorted(set(WithdrawalPhase) - {WithdrawalPhase.SETTLED}))
def test_what_did_not_arrive_is_not_shown_as_paid(phase: WithdrawalPhase) -> None:
    assert in_full(submitted(phase), with_reasons=False).paid is None
