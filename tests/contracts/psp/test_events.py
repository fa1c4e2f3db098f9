"""What happened, as it is listed and as it is pushed: nothing missing, whatever the post does."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from adapters.psp.stripe.simulator import Plan
from ledger.errors import InvalidInput
from payments.ports import (
    Delivery,
    DisputeNotice,
    FraudWarningNotice,
    Mention,
    ObjectKind,
    PaymentNotice,
    PaymentStatus,
    PayoutStatus,
    RefundNotice,
    SettlementNotice,
    Unknown,
)
from tests.contracts.psp.conftest import SECRET, StripeStage, accepted

if TYPE_CHECKING:
    from collections.abc import Iterator


class Inbox:
    """An endpoint of ours: verifies, and refuses what it is told to refuse."""

    def __init__(self, stage: StripeStage) -> None:
        self.deliveries: list[Delivery] = []
        self.refused: list[str] = []
        self.refuse_next = 0
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(inbox.take(stage, raw, headers))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks/stripe/stripe-eu"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def take(self, stage: StripeStage, raw: bytes, headers: dict[str, str]) -> int:
        if self.refuse_next:
            self.refuse_next -= 1
            return 503
        try:
            self.deliveries.append(stage.provider.receive(raw, headers, now=stage.clock()))
        except InvalidInput as refusal:
            self.refused.append(refusal.public_code)
            return 400
        return 200

    def events(self) -> list[str]:
        return [delivery.event for delivery in self.deliveries]


@pytest.fixture
def inbox(fresh: StripeStage) -> Iterator[Inbox]:
    found = Inbox(fresh)
    found.thread.start()
    fresh.sim.send_webhooks_to(found.url, SECRET)
    yield found
    found.server.shutdown()
    found.thread.join()
    found.server.server_close()


def a_days_work(stage: StripeStage) -> None:
    """One of everything that can happen."""
    payment = stage.paid()
    stage.sim.pay(stage.opened().reference, "declined")
    refund = stage.refunded(payment, 10_000)
    stage.sim.fail_refund(refund.reference)
    stage.sim.warn_of_fraud(str(payment.charge))
    dispute = stage.sim.open_dispute(str(payment.charge))
    stage.sim.close_dispute(dispute["id"], "won")
    payout = stage.paid_out()
    stage.sim.post_outbound(payout.reference)
    stage.sim.return_outbound(payout.reference)
    stage.paid()
    (settlement,) = stage.sim.settle(early=True)
    stage.sim.pay_settlement(settlement["id"])


def listed(stage: StripeStage, cursor: str | None = None) -> tuple[list[Delivery], str]:
    found: list[Delivery] = []
    while True:
        page = accepted(stage.provider.events_after(cursor))
        found += page.deliveries
        cursor = page.cursor
        if not page.more:
            return found, cursor


def everything(stage: StripeStage) -> set[str]:
    return {event.id for event in (*stage.sim.world.events, *stage.sim.world.thin)}


def test_every_kind_of_event_is_read_as_what_it_reports(fresh: StripeStage) -> None:
    a_days_work(fresh)
    found, _ = listed(fresh)

    kinds = {type(delivery.report) for delivery in found}
    assert kinds == {
        *(PaymentNotice, RefundNotice, DisputeNotice, SettlementNotice),
        *(FraudWarningNotice, Mention),
    }
    assert {d.event for d in found} == everything(fresh)


def test_the_list_is_read_from_a_cursor_without_loss(fresh: StripeStage) -> None:
    for _ in range(90):
        fresh.sim.pay(fresh.opened().reference)
    first, cursor = listed(fresh)
    fresh.sim.advance(timedelta(minutes=1))
    a_days_work(fresh)
    fresh.sim.advance(timedelta(minutes=1))
    a_days_work(fresh)
    later, cursor = listed(fresh, cursor)
    nothing, same = listed(fresh, cursor)

    assert len(first) == 270
    assert [d.event for d in first] == [e.id for e in fresh.sim.world.events[:270]]
    assert {d.event for d in (*first, *later)} == everything(fresh)
    assert same == cursor
    assert {d.event for d in nothing} <= {e.id for e in fresh.sim.world.thin}


def test_an_empty_list_has_a_cursor_too(fresh: StripeStage) -> None:
    found, cursor = listed(fresh)
    a_days_work(fresh)
    later, _ = listed(fresh, cursor)

    assert found == []
    assert {d.event for d in later} == everything(fresh)


@pytest.mark.parametrize("cursor", ["", "evt_1", "a b c", " "])
def test_a_cursor_that_is_none_is_not_followed(stage: StripeStage, cursor: str) -> None:
    assert isinstance(stage.provider.events_after(cursor), Unknown)


def test_pushed_and_listed_events_say_the_same(fresh: StripeStage, inbox: Inbox) -> None:
    a_days_work(fresh)
    fresh.sim.deliver_all()
    found, _ = listed(fresh)

    pushed = {d.event: (d.report, json.loads(d.raw)) for d in inbox.deliveries}
    assert pushed == {d.event: (d.report, json.loads(d.raw)) for d in found}
    assert inbox.refused == []


def test_a_thin_event_leads_to_its_object(fresh: StripeStage, inbox: Inbox) -> None:
    payout = fresh.paid_out()
    fresh.sim.post_outbound(payout.reference)
    fresh.sim.deliver_all()

    report = inbox.deliveries[-1].report
    assert isinstance(report, Mention)
    assert report.kind is ObjectKind.PAYOUT
    found = accepted(fresh.provider.retrieve_payout(report.reference))
    assert (found.payout, found.status) == (payout.payout, PayoutStatus.POSTED)


def test_the_post_doubles_and_shuffles_but_loses_nothing(fresh: StripeStage, inbox: Inbox) -> None:
    fresh.sim.post.plan = Plan(duplicated_pct=30, shuffled_by=timedelta(minutes=5), late_pct=10)
    for _ in range(40):
        fresh.sim.pay(fresh.opened().reference)
    order = [event.id for event in fresh.sim.world.events]

    sent = fresh.sim.deliver_all()

    assert sent.waiting == 0
    assert set(inbox.events()) == set(order)
    assert len(inbox.events()) > len(order)
    assert list(dict.fromkeys(inbox.events())) != order


def test_what_the_post_loses_is_in_the_list(fresh: StripeStage, inbox: Inbox) -> None:
    fresh.sim.post.plan = Plan(lost_pct=30)
    for _ in range(40):
        fresh.sim.pay(fresh.opened().reference)
    fresh.sim.deliver_all()
    found, _ = listed(fresh)

    assert set(inbox.events()) < everything(fresh)
    assert {d.event for d in found} == everything(fresh)


def test_late_messages_wait_for_their_time(fresh: StripeStage, inbox: Inbox) -> None:
    fresh.sim.post.plan = Plan(late_pct=100)
    fresh.paid()

    now = fresh.sim.deliver(only_due=True)
    fresh.sim.advance(timedelta(hours=6))
    then = fresh.sim.deliver(only_due=True)

    assert (now.accepted, then.accepted, then.waiting) == (0, 3, 0)


def test_a_message_is_repeated_until_it_is_accepted(fresh: StripeStage, inbox: Inbox) -> None:
    fresh.paid()
    inbox.refuse_next = 5

    first = fresh.sim.deliver()
    rest = fresh.sim.deliver_all()

    assert (first.accepted, first.refused, first.waiting) == (0, 3, 3)
    assert rest.waiting == 0
    assert len(inbox.deliveries) == 3


def test_paused_messages_wait(fresh: StripeStage, inbox: Inbox) -> None:
    fresh.sim.pause_webhooks()
    fresh.paid()

    assert fresh.sim.deliver_all(1).waiting == 3
    fresh.sim.resume_webhooks()
    assert fresh.sim.deliver_all().accepted == 3


def test_a_message_under_another_secret_is_refused(fresh: StripeStage, inbox: Inbox) -> None:
    """The control: what the inbox takes, it takes for its signature."""
    fresh.sim.send_webhooks_to(inbox.url, "whsec_other")
    payment = fresh.paid()
    sent = fresh.sim.deliver()

    assert (sent.accepted, sent.refused) == (3, 3)
    assert inbox.refused == ["signature_invalid"] * 3
    assert payment.status is PaymentStatus.SUCCEEDED


def test_several_workers_lose_nothing(fresh: StripeStage, inbox: Inbox) -> None:
    inbox.refuse_next = 7
    for _ in range(40):
        fresh.sim.pay(fresh.opened().reference)

    sent = fresh.sim.deliver_all(workers=4)

    assert sent.waiting == 0
    assert sorted(inbox.events()) == sorted(everything(fresh))


def test_messages_leave_by_themselves_when_told_to(fresh: StripeStage, inbox: Inbox) -> None:
    fresh.sim.deliver_by_itself()
    fresh.paid()
    for _ in range(200):
        if len(inbox.deliveries) == len(everything(fresh)):
            break
        threading.Event().wait(0.02)

    assert set(inbox.events()) == everything(fresh)
