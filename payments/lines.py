"""The lines of a settlement: what the provider kept and converted, line by line, once each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.facts import EntryPosted
from ledger.money import Money
from payments import bookings, deposit_notices, payout_notices
from payments.facts import LineBooked, ReviewOpened
from payments.link import park, payment_link

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.decision import Decision
    from payments.link import LinkState, Merchant
    from payments.notices import BalanceLine

OWN_TRACK = frozenset({"payout", "dispute", "dispute_reversal"})
"""Categories that are booked from their own object's notices."""


def book_line(decision: Decision, merchant: Merchant, line: BalanceLine, notice_id: UUID) -> None:
    """Book what a line adds to its deposit, payout or refund.

    A line of something that we do not know yet waits for it; one of nothing is booked as the
    provider's own doing, and shown to a person.
    """
    if line.category in OWN_TRACK or line.type in OWN_TRACK:
        return
    if line.source is None:
        _book_unsolicited(decision, merchant, line)
        return
    link = decision.get(payment_link(merchant, line.source))
    if link.payout is not None:
        payout_notices.book_line(decision, link.payout, line)
    elif link.deposit is not None and link.refunded is not None:
        _book_refund(decision, merchant, link, line)
    elif link.deposit is not None:
        deposit_notices.merge_settlement(decision, link.deposit, line)
    else:
        park(decision, merchant, line.source, notice_id)


def _book_refund(
    decision: Decision, merchant: Merchant, link: LinkState, line: BalanceLine
) -> None:
    """Book the provider's conversion of a refund made by hand."""
    assert line.source is not None
    assert link.refunded is not None
    stream = payment_link(merchant, line.source)
    if line.reference in link.lines:
        return
    decision.record(stream, LineBooked(reference=line.source, line=line.reference))
    if line.currency == link.refunded.currency:
        return
    sign = 1 if line.gives_back else -1
    ours = Money(sign * link.refunded.minor, link.refunded.currency)
    moved = bookings.provider_converted(
        merchant.entity, merchant.name, ours, Money(line.amount, line.currency)
    )
    assert link.deposit is not None
    decision.record(stream, EntryPosted(cause=link.deposit, entry=moved), at=line.created_at)


def _book_unsolicited(decision: Decision, merchant: Merchant, line: BalanceLine) -> None:
    """Book what we did not start (fees, reserves, adjustments), and let a person see it."""
    stream = payment_link(merchant, line.reference)
    if line.reference in decision.get(stream).lines:
        return
    decision.record(stream, LineBooked(reference=line.reference, line=line.reference))
    reason = f"a balance line that we did not start: {line.type} {line.net} {line.currency}"
    decision.record(stream, ReviewOpened(subject=stream.id, reason=reason), at=line.created_at)
    if line.net:
        fee = "fee" in {line.category, line.type.removeprefix("stripe_")}
        net = Money(line.net, line.currency)
        moved = bookings.unsolicited(merchant.entity, merchant.name, net, fee=fee)
        posted = EntryPosted(cause=stream.id, entry=moved)
        decision.record(stream, posted, at=line.created_at)
