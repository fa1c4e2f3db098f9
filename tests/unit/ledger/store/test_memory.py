from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InsufficientFunds
from ledger.store.memory import MemoryBook
from tests.unit.ledger.store.counter import ENTITY, Ticking, add, counter, move, take, vocabulary


def play(seed: int, steps: int) -> MemoryBook:
    book, dice = MemoryBook(ENTITY, vocabulary(), clock=Ticking()), random.Random(seed)
    for _ in range(steps):
        a, b = dice.sample("abcd", 2)
        amount = dice.randint(1, 9)
        asked = dice.choice([add(a, amount), take(a, amount), move(a, b, amount)])
        try:
            book.submit(asked)
        except InsufficientFunds:
            continue
    return book


def test_two_runs_of_the_same_commands_give_the_same_digest() -> None:
    assert play(7, 100).rows == play(7, 100).rows
    assert play(7, 100).rows[-1].digest != play(8, 100).rows[-1].digest


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "take", "move"]), st.sampled_from("ab"), st.integers(1, 5)),
    max_size=30,
)


@settings(max_examples=60)
@given(STEPS)
def test_random_commands_agree_with_a_model(steps: list[tuple[str, str, int]]) -> None:
    book, model = MemoryBook(ENTITY, vocabulary(), clock=Ticking()), {"a": 0, "b": 0}
    for what, name, amount in steps:
        other = "b" if name == "a" else "a"
        if what == "add":
            book.submit(add(name, amount))
            model[name] += amount
            continue
        asked = take(name, amount) if what == "take" else move(name, other, amount)
        if model[name] < amount:
            with pytest.raises(InsufficientFunds):
                book.submit(asked)
            continue
        book.submit(asked)
        model[name] -= amount
        model[other] += amount if what == "move" else 0
    assert {name: book.state(counter(name)).total for name in model} == model
    assert book.verify().ok
