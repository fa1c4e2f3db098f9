"""Deposits, withdrawals and disputes as finance sees them, and as a client may see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from ledger.finding import ClientCode, Finding
from ledger.ids import ClientId, DepositId, WithdrawalId
from ledger.money import Money
from payments import facts
from payments.deposit import DepositStatus, deposit_stream
from payments.notices import PayoutNotice, PayoutStatus
from payments.payout import submit
from payments.payout_notices import merge_outbound
from payments.withdrawal import (
    approve,
    cancel,
    judge,
    payout_id,
    request,
)
from projections import trails
from projections.balances import Wallet, wallets
from projections.deposits import client_deposit, client_deposits, deposit, deposits
from projections.withdrawals import (
    WithdrawalPhase,
    client_withdrawal,
    client_withdrawals,
    withdrawal,
    withdrawals,
)
from tests.unit.projections.house import ENTITY, MERCHANT, client_number, thing

if TYPE_CHECKING:
    from psycopg import Connection

    from ledger.decision import Decision
    from tests.integration.projections.house import StoredHouse

CANARY = "canary-sanctions-hit"
ABOVE_ALL = {"EUR": 10**12, "USD": 10**12}
BANK = facts.Route(
    facts.RouteKind.BANK, "stripe", MERCHANT.name, "EUR", recipient="recipient-canary"
)


@dataclass
class Gates:
    """Two gates that the test opens."""

    open: bool = False
    words: str = CANARY

    def sanctions(self, decision: Decision, client: ClientId) -> Finding:
        if self.open:
            return Finding.passed("sanctions", "clear")
        return Finding.held("sanctions", self.words, ClientCode.UNDER_REVIEW)

    def documents(self, decision: Decision, client: ClientId) -> Finding:
        if self.open:
            return Finding.passed("kyc", "level 1")
        return Finding.held("kyc", "no level", ClientCode.DOCUMENTS_NEEDED)


def held_withdrawal(house: StoredHouse, gates: Gates) -> tuple[ClientId, WithdrawalId]:
    client = house.register(1)
    house.credit(client, 10_000)
    asked = WithdrawalId(thing(50))
    house.do(
        lambda d: request(
            d, asked, client=client, entity=ENTITY, amount=Money(4_000, "EUR"), route=BANK
        ),
        key="withdraw 50",
    )
    house.do(lambda d: judge(d, asked, (gates.sanctions, gates.documents), ABOVE_ALL))
    return client, asked


def test_finance_sees_why_a_withdrawal_is_held(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    client, asked = held_withdrawal(house, Gates())
    house.fold()

    found = withdrawal(reading, asked)

    assert found is not None
    assert found.phase is WithdrawalPhase.HELD
    assert found.hold_codes == ("documents_needed", "under_review")
    assert CANARY in {finding.internal for finding in found.findings}
    assert withdrawals(reading, phase=WithdrawalPhase.HELD).rows == (found,)
    assert withdrawals(reading, phase=WithdrawalPhase.CLEARED).rows == ()
    assert withdrawals(reading, client=client).rows == (found,)


def test_nothing_that_a_client_sees_holds_an_internal_finding(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    client, asked = held_withdrawal(house, Gates())
    house.deposit(1, client, 500, received=400)
    house.fold()

    seen = [
        client_withdrawal(reading, client, asked),
        client_withdrawals(reading, client),
        client_deposits(reading, client),
        client_deposit(reading, client, DepositId(thing(1))),
        wallets(reading, client),
    ]
    internal = [withdrawal(reading, asked), deposit(reading, thing(1))]

    told = msgspec.json.encode(seen).decode()
    assert client_withdrawal(reading, client, asked) is not None
    assert "under_review" in told
    for secret in (CANARY, "sanctions", "canary", "announced", "stripe"):
        assert secret not in told
        assert secret in msgspec.json.encode(internal).decode()


def test_a_review_that_the_client_is_not_told_of_leaves_no_trace(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    gates = Gates()
    client, asked = held_withdrawal(house, gates)
    house.fold()
    before = client_withdrawal(reading, client, asked), withdrawal(reading, asked)

    house.now += timedelta(hours=1)
    gates.words = "looked at twice"
    house.do(lambda d: judge(d, asked, (gates.sanctions, gates.documents), ABOVE_ALL))
    house.do(lambda d: approve(d, asked, "anna"))
    house.fold()
    after = client_withdrawal(reading, client, asked), withdrawal(reading, asked)

    assert after[0] == before[0]
    assert after[1] != before[1]


def test_another_client_sees_nothing(house: StoredHouse, reading: Connection[Any]) -> None:
    client, asked = held_withdrawal(house, Gates())
    house.deposit(1, client, 500)
    house.fold()
    stranger = client_number(2)

    assert client_withdrawal(reading, stranger, asked) is None
    assert client_deposit(reading, stranger, thing(1)) is None
    assert client_withdrawals(reading, stranger).rows == ()
    assert client_deposits(reading, stranger).rows == ()
    assert wallets(reading, stranger) == []


def test_a_withdrawal_shows_what_became_of_its_payout(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    gates = Gates()
    client, asked = held_withdrawal(house, gates)
    gates.open = True
    rules = (gates.sanctions, gates.documents)
    house.fold()
    seen = []

    def look() -> None:
        house.fold()
        mine = client_withdrawal(reading, client, asked)
        theirs = withdrawal(reading, asked)
        assert mine is not None
        assert theirs is not None
        assert mine.phase == theirs.phase
        seen.append(mine.phase)

    def report(status: PayoutStatus) -> None:
        notice = PayoutNotice(
            provider="stripe",
            merchant_account=MERCHANT.name,
            reference="obp_1",
            payout=payout_id(asked),
            status=status,
            raw_status=str(status),
            amount=Money(4_000, "EUR"),
            created_at=house.now,
            happened_at=house.now,
        )
        house.do(lambda d: merge_outbound(d, payout_id(asked), notice))

    house.do(lambda d: judge(d, asked, rules, ABOVE_ALL))
    look()
    house.do(lambda d: submit(d, asked, rules, ABOVE_ALL, None))
    look()
    for status in (PayoutStatus.PROCESSING, PayoutStatus.POSTED, PayoutStatus.RETURNED):
        report(status)
        look()

    assert seen == [
        WithdrawalPhase.CLEARED,
        WithdrawalPhase.SUBMITTED,
        WithdrawalPhase.SENT,
        WithdrawalPhase.SETTLED,
        WithdrawalPhase.RETURNED,
    ]
    assert wallets(reading, client) == [Wallet("EUR", 6_000, 0, 0, 0, 0, 4_000)]


def test_a_cancelled_withdrawal_tells_no_reason_to_wait(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    client, asked = held_withdrawal(house, Gates())
    house.do(lambda d: cancel(d, asked))
    house.fold()

    found = client_withdrawal(reading, client, asked)

    assert found is not None
    assert (found.phase, found.hold_codes) == (WithdrawalPhase.CANCELLED, ())


def test_wallets_show_what_is_available_held_and_waiting(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    client, _ = held_withdrawal(house, Gates())
    house.deposit(1, client, 3_000, "GBP", "USD", priced=False)
    house.fold()

    assert wallets(reading, client) == [
        Wallet("EUR", 6_000, 4_000, 0, 0, 0, 0),
        Wallet("GBP", 0, 0, 0, 3_000, 0, 0),
        Wallet("USD", 0, 0, 0, 0, 0, 0),
    ]


def test_a_deposit_shows_what_came_and_what_the_client_got(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    client = house.register(1)
    house.deposit(1, client, 100_000, "EUR", "USD")
    house.deposit(2, client, 500, received=400)
    house.announce(3, client, 700, "EUR", "EUR")
    house.fold()

    rows = deposits(reading).rows

    assert [(r.status, r.received_minor, r.credited_minor) for r in rows] == [
        (DepositStatus.CONFIRMED, 100_000, 108_880),
        (DepositStatus.SUSPENDED, 400, None),
        (DepositStatus.INITIATED, None, None),
    ]
    assert rows[1].reason is not None
    assert [r.deposit for r in deposits(reading, status=DepositStatus.SUSPENDED).rows] == [thing(2)]
    assert [r.subject for r in trails.reviews(reading).rows] == [thing(2)]
    (chain,) = trails.conversions(reading, client=client).rows
    assert (chain.at_source_minor, chain.markup_minor, str(chain.residue)) == (
        109_980,
        1_100,
        "0.002",
    )


def test_refunds_are_summed_and_one_that_failed_no_longer_counts(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    client = house.register(1)
    paid = house.deposit(1, client, 1_000)
    stream = deposit_stream(paid)
    for refund, minor in {"re_1": 300, "re_2": 200}.items():
        amount = Money(minor, "EUR")
        house.record(stream, facts.DepositRefunded(deposit=paid, refund=refund, amount=amount))
    house.fold()
    before = deposit(reading, paid)
    amount = Money(300, "EUR")
    house.record(stream, facts.DepositRefundFailed(deposit=paid, refund="re_1", amount=amount))
    house.fold()
    after = deposit(reading, paid)

    assert before is not None
    assert after is not None
    assert (before.refunded_minor, after.refunded_minor) == (500, 200)


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_deposits_are_listed_page_by_page(
    house: StoredHouse, reading: Connection[Any], limit: int
) -> None:
    client = house.register(1)
    for number in range(1, 6):
        house.deposit(number, client, number * 100)
    house.fold()

    seen, after = [], 0
    while True:
        page = client_deposits(reading, client, after=after, limit=limit)
        seen += [row.deposit for row in page.rows]
        if page.next is None:
            break
        after = page.next

    assert seen == [thing(number) for number in range(1, 6)]
