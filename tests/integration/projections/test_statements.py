"""Statements: opening, every line with the balance after it, closing; on the account's own side."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import InvalidInput
from projections.statements import StatementLine, statement
from tests.unit.projections.house import CLEARING, START, legs

if TYPE_CHECKING:
    from psycopg import Connection

    from tests.integration.projections.house import StoredHouse

DAY = timedelta(days=1)
BANK = "acme-cy:bank:house:main"


def a_week(house: StoredHouse) -> str:
    client = house.register(1)
    for day, minor in enumerate([100, 20, 3, 4000, 50]):
        house.now = START + day * DAY
        house.credit(client, minor)
    # Heard of late: it belongs to the third day.
    house.credit(client, 600, at=START + 2 * DAY + timedelta(hours=1))
    house.fold()
    return f"acme-cy:client:wallet:{client}"


def test_lines_run_from_opening_to_closing(house: StoredHouse, reading: Connection[Any]) -> None:
    wallet = a_week(house)

    found = statement(reading, wallet, "EUR", START + DAY, START + 4 * DAY)

    assert (found.opening, found.closing) == (100, 4723)
    assert [(line.minor, line.balance) for line in found.lines] == [
        (20, 120),
        (3, 123),
        (600, 723),
        (4000, 4723),
    ]
    assert found.next is None


def test_the_statement_as_it_was_known_then_lacks_what_came_late(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    wallet = a_week(house)
    then = START + 3 * DAY

    known_then = statement(reading, wallet, "EUR", START, then, known_at=then)
    known_now = statement(reading, wallet, "EUR", START, then)

    assert [line.balance for line in known_then.lines] == [100, 120, 123]
    assert known_then.closing == 123
    assert known_now.closing == 723


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_continue_each_other(
    house: StoredHouse, reading: Connection[Any], limit: int
) -> None:
    wallet = a_week(house)
    whole = statement(reading, wallet, "EUR", START, START + 9 * DAY)

    lines: list[StatementLine] = []
    after = 0
    while True:
        page = statement(reading, wallet, "EUR", START, START + 9 * DAY, after=after, limit=limit)
        assert (page.opening, page.closing) == (whole.opening, whole.closing)
        lines += page.lines
        if page.next is None:
            break
        after = page.next

    assert tuple(lines) == whole.lines
    assert len(lines) == 6


def test_two_legs_of_one_entry_on_one_account_are_two_lines(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    house.post(*legs((BANK, "EUR", 10), (BANK, "EUR", 5), (CLEARING, "EUR", -15)))
    house.fold()

    found = statement(reading, BANK, "EUR", START, START + DAY, limit=1)
    rest = statement(reading, BANK, "EUR", START, START + DAY, after=found.next or 0)

    assert [line.balance for line in (*found.lines, *rest.lines)] == [10, 15]


def test_an_account_that_never_moved_has_an_empty_statement(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    house.fold()

    found = statement(reading, BANK, "EUR", START, START + DAY)

    assert (found.opening, found.closing, found.lines) == (0, 0, ())


def test_refuses_an_account_that_is_not_in_the_chart(
    house: StoredHouse, reading: Connection[Any]
) -> None:
    with pytest.raises(InvalidInput):
        statement(reading, "acme-cy:nonsense", "EUR", START, START + DAY)
