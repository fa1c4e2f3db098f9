"""What takes two people is done by two, for the same thing, within the time."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from compliance.four_eyes import WAITS, agreed, wish
from ledger.errors import Conflict
from tests.support import NOON, Books

THING = UUID(int=7)
ANN, BEN = "person:ann", "person:ben"


def ask(
    books: Books, person: str, what: str = "case:1", *, after: timedelta = timedelta(0)
) -> bool:
    told: list[bool] = []
    stream = wish(THING, "unfreeze")
    books.do(lambda d: told.append(agreed(d, stream, what, person)), at=NOON + after)
    return told[0]


def test_the_second_person_agrees() -> None:
    books = Books()

    assert not ask(books, ANN)
    assert ask(books, BEN)


def test_the_same_person_is_no_second() -> None:
    books = Books()
    ask(books, ANN)

    with pytest.raises(Conflict) as refused:
        ask(books, ANN)
    assert refused.value.public_code == "same_person"
    assert ask(books, BEN)


def test_another_wish_is_not_agreed_to_but_takes_the_place_of_the_first() -> None:
    books = Books()
    ask(books, ANN)

    assert not ask(books, BEN, "case:2")
    assert not ask(books, BEN, "case:1")
    assert ask(books, ANN, "case:1")


def test_what_was_agreed_is_spent() -> None:
    books = Books()
    ask(books, ANN)
    ask(books, BEN)

    assert not ask(books, BEN)


def test_an_old_wish_is_forgotten() -> None:
    books = Books()
    ask(books, ANN)

    assert not ask(books, BEN, after=WAITS)
    assert ask(books, ANN, after=WAITS + timedelta(hours=1))


def test_two_things_are_two_wishes() -> None:
    assert wish(THING, "unfreeze").id != wish(THING, "publish").id
    assert wish(THING, "unfreeze").id != wish(UUID(int=8), "unfreeze").id
