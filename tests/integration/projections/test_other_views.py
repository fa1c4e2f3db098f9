"""The dispute queue, clients and requests as finance sees them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from clients.facts import AccountType, BookFlag, Platform
from clients.trading_account import link
from compliance import kyc as kyc_case
from compliance.kyc import KycStatus
from ledger.ids import DepositId, DisputeId, request_key
from ledger.money import Money
from ledger.wallet import freeze
from payments import facts
from payments.dispute import Phase, dispute_stream
from payments.notices import CaseStatus
from projections import clients, trails
from projections.disputes import dispute, dispute_queue, disputes
from tests.unit.projections.house import ENTITY, MERCHANT, START, client_number, thing

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.integration.projections.house import StoredHouse


def opened(house: StoredHouse, number: int, due_by: datetime | None) -> DisputeId:
    case = DisputeId(thing(100 + number))
    fact = facts.DisputeOpened(
        dispute=case,
        entity=ENTITY,
        provider="stripe",
        merchant_account=MERCHANT.name,
        reference=f"dp_{number}",
        charge=None,
        amount=Money(1_000, "EUR"),
        reason="fraudulent",
        opened_at=START,
    )
    house.record(dispute_stream(case), fact)
    told = facts.ChargebackOpened(
        dispute=case, status=CaseStatus.NEEDS_RESPONSE, seen_at=START, due_by=due_by
    )
    house.record(dispute_stream(case), told)
    return case


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_the_dispute_queue_begins_with_the_least_time_left(
    house: StoredHouse, reading: Connection[Any], limit: int
) -> None:
    days = (5, None, 1, 3, 1)
    cases = [
        opened(house, number, None if day is None else START + timedelta(days=day))
        for number, day in enumerate(days)
    ]
    won = opened(house, 9, START)
    end = facts.ChargebackWon(dispute=won, status=CaseStatus.WON, seen_at=START)
    house.record(dispute_stream(won), end)
    house.fold()

    seen, after = [], 0
    while True:
        page = dispute_queue(reading, after=after, limit=limit)
        seen += [row.dispute for row in page.rows]
        if page.next is None:
            break
        after = page.next

    assert seen == [cases[2], cases[4], cases[3], cases[0], cases[1]]
    assert [row.dispute for row in disputes(reading, phase=Phase.WON).rows] == [won]


def test_a_dispute_shows_what_its_lines_moved(house: StoredHouse, reading: Connection[Any]) -> None:
    case = opened(house, 1, None)
    taken, fee = Money(1_000, "EUR"), Money(1_500, "EUR")
    back = Money(-1_500, "EUR")
    for fact in (
        facts.DisputeFundsWithdrawn(dispute=case, line="txn_1", amount=taken, fee=fee),
        facts.DisputeFundsReinstated(dispute=case, line="txn_2", amount=taken, fee=back),
        facts.DisputeLinked(dispute=case, deposit=DepositId(thing(1)), client=client_number(1)),
        facts.DisputeCharged(dispute=case, taken=Money(250, "EUR")),
    ):
        house.record(dispute_stream(case), fact)
    house.fold(batch_max=2)

    found = dispute(reading, case)

    assert found is not None
    assert (found.withdrawn, found.reinstated, found.fees, found.charged) == (
        {"EUR": 1_000},
        {"EUR": 1_000},
        {"EUR": 0},
        {"EUR": 250},
    )
    assert (found.deposit, found.client) == (thing(1), client_number(1))


def test_clients_their_logins_and_their_verification(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    client = house.register(1)
    house.do(
        lambda d: link(
            d,
            client,
            ENTITY,
            platform=Platform.MT5,
            login="501",
            group="real\\eur",
            account_type=AccountType.LIVE,
            book=BookFlag.B,
            programme=None,
        )
    )
    until = START + timedelta(days=365)
    house.do(
        lambda d: kyc_case.approve(d, client, level=2, valid_until=until, evidence_ref="doc:1")
    )
    house.fold()
    approved = clients.kyc(reading, client)
    house.do(lambda d: kyc_case.revoke(d, client, evidence_ref="doc:2"))
    house.fold()
    revoked = clients.kyc(reading, client)

    found = clients.client(reading, client)
    assert found is not None
    assert found.name_ref == "crm:1"
    assert [login.login for login in clients.trading_accounts(reading, client)] == ["501"]
    assert approved is not None
    assert (approved.status, approved.level, approved.valid_until) == (
        KycStatus.APPROVED,
        2,
        until,
    )
    assert revoked is not None
    assert (revoked.status, revoked.level) == (KycStatus.REVOKED, 0)
    assert clients.kyc(reading, client_number(9)) is None


def test_a_frozen_wallet_is_shown_as_frozen(house: StoredHouse, reading: Connection[Any]) -> None:
    client = house.register(1)
    house.credit(client, 100)
    house.do(lambda d: freeze(d, ENTITY, client, "EUR", "a court order"))
    house.fold()

    assert reading.execute("SELECT currency, frozen FROM read.wallet").fetchall() == [("EUR", True)]


def test_a_request_is_found_by_its_key_and_by_its_events(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    client = house.register(1)
    house.deposit(1, client, 500)
    house.fold()

    found = trails.request(reading, request_key("deposit 1"))

    assert found is not None
    assert (found.facts, found.actor) == (2, "tests")
    assert trails.request_of(reading, found.position + 1) == found
    assert trails.request_of(reading, found.position + 2) is None
    assert trails.request(reading, request_key("deposit 2")) is None
