"""Audit: an untouched book passes, every kind of damage is found and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ledger.chart import client_account
from ledger.ids import EntityId
from ledger.store.chain import digest, micros
from projections.audit import verify
from projections.explain import explain
from tests.unit.projections.house import ENTITY, VOCABULARY

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Connection

    from ledger.ids import ClientId
    from tests.integration.projections.house import StoredHouse

LEDGER = {
    "the log's chain verifies",
    "every entry balances",
    "balances equal the fold",
    "postings equal the fold",
    "day balances equal the fold",
    "the trial balance is zero per currency",
}


def a_day(house: StoredHouse) -> ClientId:
    client = house.register(1, "USD")
    notice = house.do(lambda _: None).position
    house.deposit(1, client, 100_000, "EUR", "USD", why=notice)
    house.deposit(2, client, 5_000, "USD", "USD")
    house.fold()
    return client


def test_an_untouched_book_passes(house: StoredHouse, auditing: Connection[Any]) -> None:
    a_day(house)
    told: list[int] = []

    report = verify(auditing, VOCABULARY, ENTITY, told.append)

    assert report.held, report.first_bad
    assert {check.name for check in report.checks} == LEDGER
    assert (report.head, report.folded) == (house.book.head(), house.book.head())
    assert report.digest == house.book.rows[-1].digest.hex()
    assert told == [report.head]


def test_events_that_are_not_folded_yet_are_no_damage(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    a_day(house)
    folded = house.book.head()
    house.credit(house.register(2), 900)
    house.write()

    report = verify(auditing, VOCABULARY, ENTITY)

    assert report.held, report.first_bad
    assert (report.folded, report.head) == (folded, house.book.head())


HEAD = "(SELECT max(position) FROM book.log)"
LAST_ENTRY = "UPDATE book.log SET state = replace(encode(state, 'escape'), '{}', '{}')::bytea"


def forge(house: StoredHouse, before: str, after: str) -> None:
    """Change the words of the last entry in the log."""
    assert before.encode() in house.book.rows[-1].state
    house.tamper(f"{LAST_ENTRY.format(before, after)} WHERE position = {HEAD}")


@pytest.mark.parametrize(
    ("change", "check", "position"),
    [
        ("DELETE FROM book.log WHERE position = 7", "the log's chain verifies", 7),
        (
            "UPDATE book.log SET name = 'payments.unheard-of' WHERE position = 4",
            "the log's chain verifies",
            4,
        ),
        (
            "UPDATE read.balance SET minor = minor + 1 WHERE kind = 'fx:position'",
            "balances equal the fold",
            None,
        ),
        ("DELETE FROM read.posting WHERE leg = 0", "postings equal the fold", None),
        ("UPDATE read.day_balance SET minor = minor - 1", "day balances equal the fold", None),
    ],
)
def test_damage_is_named(
    house: StoredHouse, auditing: Connection[Any], change: str, check: str, position: int | None
) -> None:
    a_day(house)
    house.tamper(change)

    report = verify(auditing, VOCABULARY, ENTITY)

    bad = report.first_bad
    assert bad is not None
    assert (bad.name, bad.position) == (check, position)


def test_a_changed_word_breaks_the_chain(house: StoredHouse, auditing: Connection[Any]) -> None:
    a_day(house)
    forge(house, "5000]", "5000 ]")

    bad = verify(auditing, VOCABULARY, ENTITY).first_bad

    assert bad is not None
    assert (bad.name, bad.position) == ("the log's chain verifies", house.book.head())


def test_an_unbalanced_entry_under_a_chain_made_anew_is_found(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    a_day(house)
    forge(house, "-5000", "-4000")
    chain_anew(house)

    report = verify(auditing, VOCABULARY, ENTITY)

    bad = report.first_bad
    assert bad is not None
    assert bad.position == house.book.head()
    assert "balance" in bad.detail


def test_control_a_chain_made_anew_over_a_balanced_lie_is_seen_only_against_the_read_models(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    a_day(house)
    forge(house, "5000]", "4000]")
    chain_anew(house)

    report = verify(auditing, VOCABULARY, ENTITY)

    bad = report.first_bad
    assert bad is not None
    assert bad.name == "balances equal the fold"


def test_another_entitys_book_is_not_taken_for_this_one(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    a_day(house)

    report = verify(auditing, VOCABULARY, EntityId("acme-uk"))

    assert report.first_bad is not None
    assert report.first_bad.position == 1


def chain_anew(house: StoredHouse) -> None:
    """What a superuser can do: compute every digest again."""
    with psycopg.connect(house.database.admin_dsn) as connection:
        rows = connection.execute(
            "SELECT position, stream, version, name, state, recorded_at, digest FROM book.log"
            " ORDER BY position"
        ).fetchall()
    before: bytes | None = None
    stream: UUID
    for position, stream, version, name, state, at, seal in rows:
        if before is None:
            before = seal
            continue
        before = digest(
            before, position, stream.bytes, version, micros(at), name.encode(), bytes(state)
        )
        house.tamper("UPDATE book.log SET digest = %s WHERE position = %s", before, position)


def test_a_balance_is_explained_down_to_its_rate_and_its_request(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    client = a_day(house)
    account = client_account(ENTITY, "client:wallet", client)

    tree = explain(auditing, VOCABULARY, account, "USD")

    assert (tree.minor, tree.opening, tree.earlier) == (113_880, 0, 0)
    assert [(m.minor, m.balance) for m in tree.movements] == [(108_880, 108_880), (5_000, 113_880)]
    first, second = tree.movements
    (rate,) = first.rates
    assert (rate.source, rate.pair, str(rate.bid), str(rate.markup_bps)) == (
        "broker",
        "EUR/USD",
        "1.09980",
        "100",
    )
    assert sum(leg.minor for leg in first.legs if leg.currency == "USD") == 0
    assert first.cause is not None
    assert second.rates == ()
    assert second.cause is None


def test_a_long_life_is_explained_by_its_last_events_and_an_opening(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    client = house.register(1)
    for minor in (100, 20, 3):
        house.credit(client, minor)
    house.fold()
    account = client_account(ENTITY, "client:wallet", client)

    tree = explain(auditing, VOCABULARY, account, "EUR", limit=2)

    assert (tree.opening, tree.earlier, tree.minor) == (100, 1, 123)
    assert [m.balance for m in tree.movements] == [120, 123]
