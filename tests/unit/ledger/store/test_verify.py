from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.store.chain import Row, digest, genesis
from ledger.store.memory import MemoryBook
from ledger.store.verify import Report, verify
from tests.unit.ledger.store.counter import ENTITY, Ticking, add, move, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def rows() -> list[Row]:
    book = MemoryBook(ENTITY, vocabulary(), clock=Ticking())
    book.submit(add("a", 10, key="k1"))
    book.submit(move("a", "b", 5, key="k2"))
    book.submit(add("a", 1))
    return book.rows


def rehashed(rows: list[Row]) -> list[Row]:
    """What somebody who owns the database can do: the chain itself holds again."""
    link, log = genesis("log", ENTITY), []
    for position, row in enumerate(rows, start=1):
        seal = digest(
            link.digest,
            position,
            row.stream.bytes,
            row.version,
            row.recorded_us,
            row.name.encode(),
            row.state,
        )
        log.append(row._replace(position=position, digest=seal))
        link = link._replace(digest=seal)
    return log


def verified(rows: list[Row]) -> Report:
    return verify(rows, genesis("log", ENTITY), ENTITY, vocabulary())


def test_an_honest_log_verifies(rows: list[Row]) -> None:
    report = verified(rehashed(rows))
    assert report.ok
    assert (report.position, report.streams) == (5, 3)
    assert report.digest == rows[-1].digest.hex()


def test_control_an_empty_log_says_so() -> None:
    assert verified([]).position == 0


FORGERIES: dict[str, tuple[Callable[[list[Row]], list[Row]], int]] = {
    "the opening is gone": (lambda log: log[1:], 1),
    "a second opening": (lambda log: [*log, log[0]._replace(version=2)], 6),
    "a fact is gone": (lambda log: [log[0], *log[2:]], 2),
    "a fact is doubled": (lambda log: [*log, log[4]], 6),
    "an unknown name": (lambda log: [*log[:4], log[4]._replace(name="toy.else")], 5),
    "an unknown version": (
        lambda log: [*log[:4], log[4]._replace(state=log[4].state.replace(b'"v":1', b'"v":9'))],
        5,
    ),
    "a key is gone": (lambda log: [*log[:4], log[4]._replace(key=bytes(16))], 5),
    "a key is another": (lambda log: [log[0], log[1]._replace(key=bytes(16)), *log[2:]], 2),
    "a request inside another": (
        lambda log: [
            *log[:2],
            log[2]._replace(state=log[2].state.replace(b'"n":2', b'"n":3')),
            log[3],
            log[4]._replace(
                key=log[1].key,
                state=log[1].state,
                version=log[4].version,
            ),
        ],
        5,
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_log_with_a_perfect_chain_is_found_out(rows: list[Row], forgery: str) -> None:
    forge, position = FORGERIES[forgery]
    report = verified(rehashed(forge(rows)))
    assert report.problem is not None, forgery
    assert report.problem.position == position, report.problem


def test_names_the_first_row_that_does_not_hold(rows: list[Row]) -> None:
    report = verified([*rows[:2], rows[2]._replace(state=b"{}"), rows[3]._replace(state=b"")])
    assert report.problem is not None
    assert report.problem.position == 3
    assert report.position == 2


def test_the_book_of_another_entity_is_not_ours(rows: list[Row]) -> None:
    assert not verify(rows, genesis("log", "acme-za"), "acme-za", vocabulary()).ok
    assert not verify(rows, genesis("log", ENTITY), "acme-za", vocabulary()).ok
