"""A kept message is read, completed from the provider where it only mentions, and merged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ledger.decision import Body, Command
from ledger.ids import DepositId, request_key, sha256_hex
from payments import inbox, lines
from payments.deposit import deposit_stream
from payments.deposit_conversion import quote_needed
from payments.facts import EventsRead, NoticeReceived
from payments.link import payment_link
from payments.ports import (
    Accepted,
    Delivery,
    Mention,
    ObjectKind,
    PaymentNotice,
    SettlementNotice,
    SettlementStatus,
    Unrecognised,
)

if TYPE_CHECKING:
    from uuid import UUID

    from ledger.decision import Decision, Receipt
    from ledger.fx import Quote
    from payments.link import Merchant
    from payments.notices import BalanceLine, Notice
    from payments.ports import Answer
    from payments.reactors.desk import Desk, FullProvider

NOT_FOUND = "not_found"
KEPT_TOGETHER_MAX = 50
"""Listed messages kept in one append."""
LINES_MAX = 50
"""Balance lines booked in one append."""


class NotYet(Exception):
    """The provider did not answer with certainty: the same work is tried again later."""


def keep(desk: Desk, provider: FullProvider, delivery: Delivery) -> Receipt:
    """Keep a message, encrypted and with its digest in the log, before anything is done."""
    return desk.book.submit(keeping(desk, provider, delivery))


def keep_all(desk: Desk, provider: FullProvider, deliveries: tuple[Delivery, ...]) -> None:
    """Keep the messages of a list that no push has brought, many in one append."""
    news = [delivery for delivery in deliveries if not _is_kept(desk, provider, delivery)]
    for start in range(0, len(news), KEPT_TOGETHER_MAX):
        kept = [_sealed(desk, provider, d) for d in news[start : start + KEPT_TOGETHER_MAX]]

        def decide(decision: Decision, kept: list[tuple[NoticeReceived, Body]] = kept) -> None:
            for received, _ in kept:
                inbox.receive(decision, received)

        desk.book.submit(
            Command(
                decide=decide,
                by=f"psp:{kept[0][1].source}",
                at=desk.clock(),
                names=tuple(inbox.notice_stream(received.notice) for received, _ in kept),
                bodies=tuple(body for _, body in kept),
            )
        )


def keeping(desk: Desk, provider: FullProvider, delivery: Delivery) -> Command:
    """The command that keeps a message; the same message gives the same command."""
    received, body = _sealed(desk, provider, delivery)
    return Command(
        decide=lambda decision: inbox.receive(decision, received),
        by=f"psp:{body.source}",
        at=desk.clock(),
        key=request_key(str(received.notice)),
        names=(inbox.notice_stream(received.notice),),
        bodies=(body,),
    )


def _is_kept(desk: Desk, provider: FullProvider, delivery: Delivery) -> bool:
    notice = inbox.notice_id(desk.merchant(provider), delivery.created_at, delivery.event)
    return bool(desk.book.state(inbox.notice_stream(notice)).received)


def _sealed(desk: Desk, provider: FullProvider, delivery: Delivery) -> tuple[NoticeReceived, Body]:
    merchant = desk.merchant(provider)
    notice = inbox.notice_id(merchant, delivery.created_at, delivery.event)
    source = f"{merchant.provider}/{merchant.name}"
    digest = sha256_hex(delivery.raw)
    received = NoticeReceived(
        notice=notice,
        provider=merchant.provider,
        merchant_account=merchant.name,
        event=delivery.event,
        event_type=delivery.type,
        created_at=delivery.created_at,
        sha256=digest,
    )
    sealed = desk.sealer.seal(notice, source, delivery.raw)
    return received, Body(notice, source, sealed, digest, desk.clock())


def merge(desk: Desk, received: NoticeReceived, position: int) -> None:
    """Merge one kept message into what is known.

    Raises:
        NotYet: the provider has to be asked, and did not answer.
    """
    provider = desk.providers[received.provider, received.merchant_account]
    report = provider.read(_opened(desk, received)).report
    if isinstance(report, Mention):
        report = _retrieved(provider, report)
    if isinstance(report, Unrecognised):
        reason = f"cannot read {report.type}: {report.detail}" if report.detail else None
        desk.act(lambda decision: inbox.set_aside(decision, received.notice, reason), why=position)
        return
    if isinstance(report, SettlementNotice) and report.status is SettlementStatus.PAID:
        _book_lines(desk, provider, report, received.notice, position)
    apply(desk, provider, report, received.notice, position)


def set_aside(desk: Desk, notice: UUID, why: int) -> None:
    """Finish a message that we cannot merge; it stays kept, and a person looks."""
    reason = "this message cannot be merged: see the worker's log"
    desk.act(lambda decision: inbox.set_aside(decision, notice, reason), why=why)


def apply(
    desk: Desk, provider: FullProvider, notice: Notice, notice_id: UUID | None, why: int | None
) -> None:
    """Merge a notice, with the rate of the provider's time where one is needed."""
    merchant = desk.merchant(provider)
    bank = desk.banks[merchant.name]
    rate = _rate(desk, provider, notice)

    def decide(decision: Decision) -> None:
        inbox.apply(decision, merchant, notice, notice_id, rate=rate, bank=bank)

    desk.act(decide, why=why)


def read_events(desk: Desk, provider: FullProvider, cursor: str | None) -> bool:
    """Read one page of the provider's list through the same door. True when there is more."""
    answer = provider.events_after(cursor)
    if not isinstance(answer, Accepted):
        return False
    page = answer.notice
    keep_all(desk, provider, page.deliveries)
    if page.cursor != cursor:
        merchant = desk.merchant(provider)
        fact = EventsRead(
            provider=merchant.provider, merchant_account=merchant.name, cursor=page.cursor
        )
        stream = payment_link(merchant, "events")
        key = ("events", merchant.provider, merchant.name, page.cursor)
        desk.act(lambda decision: decision.record(stream, fact), *key)
    return page.more


def _book_lines(
    desk: Desk, provider: FullProvider, settlement: SettlementNotice, notice: UUID, why: int
) -> None:
    """Book the lines of a settlement, a bounded number in each append."""
    answer = provider.balance_lines(settlement=settlement.reference)
    if not isinstance(answer, Accepted):
        raise NotYet(f"the lines of {settlement.reference}: {answer.detail}")
    merchant = desk.merchant(provider)
    for start in range(0, len(answer.notice), LINES_MAX):
        part = answer.notice[start : start + LINES_MAX]
        desk.act(partial(_book_part, merchant, part, notice), why=why)


def _book_part(
    merchant: Merchant, part: tuple[BalanceLine, ...], notice: UUID, decision: Decision
) -> None:
    for line in part:
        lines.book_line(decision, merchant, line, notice)


def _opened(desk: Desk, received: NoticeReceived) -> bytes:
    body: Body | None = desk.book.body(received.notice)
    assert body is not None, f"the message of notice {received.notice} is gone"
    raw = desk.sealer.open(body.id, body.source, body.sealed)
    assert sha256_hex(raw) == received.sha256, "the message is not the one in the log"
    return raw


def _retrieved(provider: FullProvider, mention: Mention) -> Notice | Unrecognised:
    answer: Answer[Notice]
    match mention.kind:
        case ObjectKind.PAYMENT:
            answer = provider.retrieve_payment(mention.reference)
        case ObjectKind.REFUND:
            answer = provider.retrieve_refund(mention.reference)
        case ObjectKind.PAYOUT:
            answer = provider.retrieve_payout(mention.reference)
        case ObjectKind.DISPUTE:
            answer = provider.retrieve_dispute(mention.reference)
        case ObjectKind.SETTLEMENT:
            answer = provider.retrieve_settlement(mention.reference)
    if isinstance(answer, Accepted):
        return answer.notice
    if getattr(answer, "code", None) == NOT_FOUND:
        return Unrecognised(type=mention.kind, detail=f"{mention.reference} does not exist")
    raise NotYet(f"{mention.kind} {mention.reference}: {answer.detail}")


def _rate(desk: Desk, provider: FullProvider, notice: Notice) -> Quote | None:
    if not isinstance(notice, PaymentNotice):
        return None
    deposit = notice.deposit
    if deposit is None:
        deposit = desk.book.state(payment_link(desk.merchant(provider), notice.reference)).deposit
    if deposit is None:
        return None
    state = desk.book.state(deposit_stream(DepositId(deposit)))
    if not state.into or not quote_needed(state, notice):
        return None
    return desk.rate(state.amount, state.into, notice.happened_at)
