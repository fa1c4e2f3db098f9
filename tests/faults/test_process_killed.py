"""kill -9 of our own process under load: what it acknowledged stands, and stands once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import check_wallets, open_book, read_log, submit_again
from tests.faults.processes import write_until_killed

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.database.roles import Database

pytestmark = pytest.mark.fault

SEED = 20_261_123
KILLS = 3
ACKS_BEFORE = (100, 400)
BLOCK = 100_000
"""Each process counts from a multiple of this."""
IN_FLIGHT_MAX = 50
"""More than any process can have submitted beyond its last acknowledged number."""


def kill_and_ask_again(database: Database, *, kills: int, keyed: bool) -> tuple[set[int], set[int]]:
    """Kill writers under load, then submit again all that they may have asked for.

    Returns:
        What was acknowledged, and all that was asked for.
    """
    dsn, chance = database.dsn("book_writer"), random.Random(SEED)
    acknowledged: set[int] = set()
    asked: set[int] = set()
    for n in range(kills):
        first = n * BLOCK
        heard = write_until_killed(dsn, first, chance.randint(*ACKS_BEFORE), keyed=keyed)
        acknowledged.update(heard)
        asked.update(range(first, max(heard) + IN_FLIGHT_MAX))
    return acknowledged, asked


def test_a_killed_process_loses_nothing_and_applies_nothing_twice(
    database: Database, tell: Callable[..., None]
) -> None:
    acknowledged, asked = kill_and_ask_again(database, kills=KILLS, keyed=True)
    book = open_book(database.dsn("book_writer"))
    before = read_log(book)
    lost = [number for number in acknowledged if before.how_often(number) != 1]
    unheard = before.times.total() - len(acknowledged)
    replayed = sum(receipt.replayed for receipt in submit_again(book, asked).values())
    after = read_log(book)
    duplicated = sum(times > 1 for times in after.times.values())
    tell(
        seed=SEED,
        kills=KILLS,
        acknowledged=len(acknowledged),
        lost=len(lost),
        committed_unheard=unheard,
        asked_again=len(asked),
        duplicated=duplicated,
    )
    assert not lost
    assert not duplicated
    assert replayed == before.times.total()
    assert after.times.total() == len(asked)
    check_wallets(book, after)
    book.close()


def test_control_without_request_keys_asking_again_applies_twice(
    database: Database, tell: Callable[..., None]
) -> None:
    acknowledged, _ = kill_and_ask_again(database, kills=1, keyed=False)
    book = open_book(database.dsn("book_writer"))
    submit_again(book, acknowledged, keyed=False)
    after = read_log(book)
    duplicated = sum(times > 1 for times in after.times.values())
    tell(seed=SEED, kills=1, acknowledged=len(acknowledged), duplicated=duplicated)
    assert duplicated == len(acknowledged)
    assert book.verify().ok
    book.close()
