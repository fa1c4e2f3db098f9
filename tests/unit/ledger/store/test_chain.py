from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.store.chain import (
    EPOCH,
    Broken,
    Link,
    Row,
    digest,
    genesis,
    micros,
    moment,
    verify_links,
)
from ledger.store.memory import MemoryBook
from tests.unit.ledger.store.counter import ENTITY, Ticking, add, move, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable


def rows() -> list[Row]:
    book = MemoryBook(ENTITY, vocabulary(), clock=Ticking())
    for n in range(4):
        book.submit(add("a", 10, key=f"k{n}"))
    book.submit(move("a", "b", 5))
    return book.rows


def by_hand(before: bytes, row: Row) -> bytes:
    """The formula of the design, written out."""

    def integer(number: int) -> bytes:
        return number.to_bytes(8, "big")

    name = row.name.encode()
    return hashlib.sha256(
        b"\0"
        + before
        + integer(row.position)
        + row.stream.bytes
        + integer(row.version)
        + integer(row.recorded_us)
        + integer(len(name))
        + name
        + integer(len(row.state))
        + row.state
    ).digest()


def test_the_chain_begins_with_the_book() -> None:
    assert (
        genesis("log", "acme-cy").digest == hashlib.sha256(b"counterfoil/log/1\0acme-cy").digest()
    )
    assert genesis("log", "acme-cy") != genesis("log", "acme-za")
    assert genesis("log", "acme-cy") != genesis("access", "acme-cy")


def test_every_digest_is_the_formula_of_the_design() -> None:
    before = genesis("log", ENTITY).digest
    for row in rows():
        assert row.digest == by_hand(before, row)
        before = row.digest


def test_a_known_digest_stays_what_it_is() -> None:
    found = digest(bytes(32), 1, bytes(16), 1, 0, b"toy.added", b"{}")
    assert (
        found.hex()
        == hashlib.sha256(
            bytes(33)
            + (1).to_bytes(8, "big")
            + bytes(16)
            + (1).to_bytes(8, "big")
            + bytes(8)
            + (9).to_bytes(8, "big")
            + b"toy.added"
            + (2).to_bytes(8, "big")
            + b"{}"
        ).hexdigest()
    )


def test_an_untouched_chain_holds() -> None:
    whole = rows()
    assert verify_links(genesis("log", ENTITY), whole) == Link(
        7, whole[-1].digest, whole[-1].recorded_us
    )


def swapped(log: list[Row]) -> list[Row]:
    return [*log[:2], log[3], log[2], *log[4:]]


def changed(**fields: object) -> Callable[[list[Row]], list[Row]]:
    return lambda log: [*log[:2], log[2]._replace(**fields), *log[3:]]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tamper", "position"),
    [
        (changed(state=b"{}"), 3),
        (changed(name="toy.taken"), 3),
        (changed(version=9), 3),
        (changed(stream=UUID(int=1)), 3),
        (changed(digest=bytes(32)), 3),
        (changed(recorded_us=micros(datetime(2027, 1, 1, tzinfo=UTC))), 3),
        (changed(recorded_us=0), 3),
        (changed(position=4), 3),
        (swapped, 3),
        (lambda log: log[:2] + log[3:], 3),
        (lambda log: log[1:], 1),
        (lambda log: [*log[:3], log[2], *log[3:]], 4),
    ],
)
def test_a_changed_row_breaks_the_chain_where_it_stands(
    tamper: Callable[[list[Row]], list[Row]], position: int
) -> None:
    with pytest.raises(Broken) as broken:
        verify_links(genesis("log", ENTITY), tamper(rows()))
    assert broken.value.position == position


def test_a_row_rehashed_alone_breaks_the_next(  # the whole tail must be, and then the head differs
) -> None:
    log = rows()
    forged = log[2]._replace(state=b"{}")
    log[2] = forged._replace(digest=by_hand(log[1].digest, forged))
    with pytest.raises(Broken) as broken:
        verify_links(genesis("log", ENTITY), log)
    assert broken.value.position == 4


def test_bytes_cannot_wander_between_name_and_state() -> None:
    assert digest(bytes(32), 1, bytes(16), 1, 0, b"ab", b"c") != digest(
        bytes(32), 1, bytes(16), 1, 0, b"a", b"bc"
    )


@given(st.integers(0, 253_402_300_799_999_999))
def test_microseconds_are_exact(number: int) -> None:
    assert micros(moment(number)) == number


def test_control_float_seconds_are_not() -> None:
    moments = [EPOCH + timedelta(days=20_000, microseconds=1_234_567 * n) for n in range(2_000)]
    seconds = [moment.timestamp() for moment in moments]
    careless = [int(second) * 1_000_000 + int(second % 1 * 1e6) for second in seconds]
    assert careless != [micros(moment) for moment in moments]
