"""Balances effective at E as known at K, against a model that remembers every posting."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL

from projections.balances import AS_OF, AS_OF_EACH, Balance, balance, balances, trial_balance
from projections.rows import fetch
from tests.conftest import copied_database
from tests.integration.projections.house import StoredHouse
from tests.unit.projections.house import CLEARING, ENTITY, START, client_number, legs

if TYPE_CHECKING:
    from psycopg import Connection

    from adapters.database.embedded import EmbeddedPostgres

ACCOUNTS = ("acme-cy:bank:house:main", "acme-cy:expense:write-offs", CLEARING)
HALF_DAY = timedelta(hours=12)
TODAY = START + 20 * HALF_DAY


class Model:
    """Ten lines that are obviously right."""

    def __init__(self) -> None:
        self.postings: list[tuple[str, str, int, datetime, datetime]] = []

    def add(self, account: str, currency: str, minor: int, at: datetime, known: datetime) -> None:
        self.postings.append((account, currency, minor, at, known))

    def balances(self, at: datetime | None, known_at: datetime | None) -> dict[Any, int]:
        sums: dict[Any, int] = {}
        for account, currency, minor, effective, recorded in self.postings:
            if (at is None or effective <= at) and (known_at is None or recorded <= known_at):
                sums[account, currency] = sums.get((account, currency), 0) + minor
        return {key: minor for key, minor in sums.items() if minor}


entries = st.lists(
    st.tuples(
        st.integers(0, 20),  # effective, in half days
        st.integers(0, 2),  # recorded that many half days after the one before it
        st.sampled_from(["EUR", "JPY"]),
        st.integers(1, 10**20),
        st.permutations(ACCOUNTS),
    ),
    min_size=1,
    max_size=25,
)
questions = st.lists(
    st.tuples(st.none() | st.integers(-1, 21), st.none() | st.integers(-1, 45)),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def server(postgres: EmbeddedPostgres, template: str) -> tuple[EmbeddedPostgres, str]:
    return postgres, template


def moment(half_days: int | None) -> datetime | None:
    return None if half_days is None else START + half_days * HALF_DAY


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(entries=entries, questions=questions, batch=st.integers(1, 9))
def test_balances_are_those_of_the_model_at_any_two_times(
    server: tuple[EmbeddedPostgres, str],
    entries: list[tuple[int, int, str, int, list[str]]],
    questions: list[tuple[int | None, int | None]],
    batch: int,
) -> None:
    with copied_database(*server) as database:
        house, model = StoredHouse(database), Model()
        for effective, later, currency, minor, (first, second, *_) in entries:
            house.now += later * HALF_DAY
            then = START + effective * HALF_DAY
            house.post(*legs((first, currency, minor), (second, currency, -minor)), at=then)
            model.add(first, currency, minor, then, house.now)
            model.add(second, currency, -minor, then, house.now)
        house.fold(batch_max=batch)
        with psycopg.connect(database.dsn("finance_reader"), autocommit=True) as reading:
            for e, k in questions:
                at, known_at = moment(e), moment(k)
                expected = model.balances(at, known_at)
                page = balances(reading, at=at, known_at=known_at)
                found = {(b.account, b.currency): b.minor for b in page.rows if b.minor}
                assert found == expected, (e, k)
                trial = trial_balance(reading, at=at, known_at=known_at)
                assert trial.balanced
                assert sum(abs(line.minor) for line in trial.lines) == sum(
                    abs(minor) for minor in expected.values()
                )


def backdated(house: StoredHouse) -> None:
    """Two entries of the first day: one known on it, one that we heard of ten days later."""
    first, second, _ = ACCOUNTS
    house.post(*legs((first, "EUR", 100), (second, "EUR", -100)), at=START)
    house.now = TODAY
    house.post(*legs((first, "EUR", 7), (second, "EUR", -7)), at=START + timedelta(minutes=1))
    house.fold()


def test_a_backdated_entry_changes_the_past_and_not_what_was_known_of_it(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    backdated(house)
    next_day, account = START + timedelta(days=1), ACCOUNTS[0]

    assert balance(reading, account, "EUR", at=next_day) == 107
    assert balance(reading, account, "EUR", at=next_day, known_at=next_day) == 100
    assert balance(reading, account, "EUR", known_at=TODAY) == 107
    assert balance(reading, account, "EUR", at=START, known_at=TODAY) == 100
    assert balance(reading, account, "EUR", at=START - HALF_DAY) == 0


def test_control_day_ends_that_ignore_when_they_were_learned_tell_the_past_wrong(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    backdated(house)
    blind = AS_OF.replace("d.newest <= bound.known_at", "true").replace(
        "d.day = bound.day OR d.newest > bound.known_at", "d.day = bound.day"
    )
    next_day = START + timedelta(days=1)
    query = SQL(blind).format(where=SQL("true")) + SQL(AS_OF_EACH)

    found = fetch(reading, query, {"at": next_day, "known_at": next_day, "limit": None}, Balance)

    assert blind != AS_OF
    assert {b.account: b.minor for b in found}[ACCOUNTS[0]] == 107


def test_balances_are_filtered_and_paged_without_losing_an_account(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    for number in range(1, 8):
        house.credit(client_number(number), number * 100, "EUR" if number % 2 else "JPY")
    house.fold()

    seen, after, pages = [], 0, 0
    while True:
        page = balances(reading, after=after, limit=3, at=TODAY)
        seen += [(b.account, b.currency) for b in page.rows]
        pages += 1
        if page.next is None:
            break
        after = page.next
    theirs = balances(reading, client=client_number(3))
    prefixed = balances(reading, prefix=f"{ENTITY}:client:wallet:")

    everything = balances(reading, limit=1000).rows
    assert seen == [(b.account, b.currency) for b in everything]
    assert pages == 3
    assert len(set(seen)) == len(seen) == 9
    assert [(b.kind, b.minor, str(b.money)) for b in theirs.rows] == [
        ("client:wallet", -300, "EUR -3.00")
    ]
    assert len(prefixed.rows) == 7
    assert [b.minor for b in balances(reading, kind="psp:clearing", currency="JPY").rows] == [1200]
