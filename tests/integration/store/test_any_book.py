"""What every book does, on PostgreSQL and in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from ledger.decision import Body
from ledger.errors import InsufficientFunds, InvalidInput, KeyReused
from ledger.facts import BookOpened
from ledger.ids import request_key
from tests.unit.ledger.store.counter import (
    NOON,
    Added,
    Taken,
    add,
    command,
    counter,
    move,
    take,
)

if TYPE_CHECKING:
    from ledger.book import AnyBook
    from ledger.decision import Command, Decision


def test_position_1_opens_the_book(book: AnyBook) -> None:
    first = book.event(1)
    assert first is not None
    assert first.fact == BookOpened(entity=book.entity)
    assert book.head() == 1


def test_answers_with_what_stands_in_the_log(book: AnyBook) -> None:
    receipt = book.submit(move_after_adding(book))
    assert [type(event.fact) for event in receipt.events] == [Taken, Added]
    assert list(receipt.events) == book.events_after(receipt.position - 2, 10)
    assert receipt.position == book.head()
    assert not receipt.replayed


def move_after_adding(book: AnyBook) -> Command:
    book.submit(add("a", 10))
    return move("a", "b", 4, key="m1")


def test_state_is_the_fold_of_the_history(book: AnyBook) -> None:
    for amount in (5, 6, 7):
        book.submit(add("a", amount))
    book.submit(take("a", 8))
    assert book.state(counter("a")).total == 10
    assert [event.version for event in book.history(counter("a"))] == [1, 2, 3, 4]
    assert book.state(counter("nobody")).total == 0


def test_refuses_to_overdraw_and_records_nothing(book: AnyBook) -> None:
    book.submit(add("a", 5))
    head = book.head()
    with pytest.raises(InsufficientFunds):
        book.submit(take("a", 6))
    assert book.head() == head
    assert book.submit(take("a", 5)).position == head + 1


def test_facts_before_a_refusal_are_not_recorded(book: AnyBook) -> None:
    def decide(decision: Decision) -> None:
        decision.record(counter("a"), Added(amount=3))
        assert decision.get(counter("a")).total == 3
        raise InsufficientFunds("after all")

    with pytest.raises(InsufficientFunds):
        book.submit(command(decide))
    assert book.state(counter("a")).total == 0
    assert book.submit(add("a")).events[0].version == 1


def test_an_error_in_a_decision_reaches_its_caller_and_records_nothing(book: AnyBook) -> None:
    def decide(decision: Decision) -> None:
        decision.record(counter("a"), Added(amount=3))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        book.submit(command(decide))
    assert book.head() == 1


def test_a_fact_out_of_the_vocabulary_harms_its_own_command_only(book: AnyBook) -> None:
    class Stranger(Added, frozen=True):
        NAME = "toy.stranger"

    with pytest.raises(AssertionError, match="vocabulary"):
        book.submit(command(lambda d: d.record(counter("a"), Stranger(amount=1))))
    assert book.submit(add("a")).position == 2


def test_same_key_and_contents_gets_the_first_answer(book: AnyBook) -> None:
    book.submit(add("a", 10))
    first = book.submit(move("a", "b", 4, key="k"))
    book.submit(add("a"))
    book.submit(add("c", key="other"))
    again = book.submit(move("a", "b", 4, key="k"))
    assert again.replayed
    assert again.events == first.events
    assert again.position == first.position
    assert book.state(counter("b")).total == 4
    assert book.events_of_request(request_key("k")) == list(first.events)


def test_an_answer_ends_where_a_command_without_key_begins(book: AnyBook) -> None:
    first = book.submit(add("a", key="k"))
    book.submit(add("a"))
    assert book.submit(add("a", key="k")).events == first.events


def test_same_key_with_other_contents_is_a_conflict(book: AnyBook) -> None:
    book.submit(add("a", 1, key="k"))
    with pytest.raises(KeyReused):
        book.submit(add("a", 2, key="k"))
    assert book.state(counter("a")).total == 1


def test_a_refused_request_leaves_no_key(book: AnyBook) -> None:
    with pytest.raises(InsufficientFunds):
        book.submit(take("a", 1, key="k"))
    book.submit(add("a", 1))
    assert not book.submit(take("a", 1, key="k")).replayed
    assert book.state(counter("a")).total == 0


def test_a_request_that_records_nothing_leaves_no_key(book: AnyBook) -> None:
    seen = book.submit(command(lambda _: None, key="k"))
    assert seen.events == ()
    assert seen.position == book.head()
    assert book.events_of_request(request_key("k")) == []
    assert book.submit(add("a", key="k")).events


def test_effective_time_actor_and_cause_are_kept(book: AnyBook) -> None:
    earlier = NOON.replace(year=2025)
    cause = book.submit(add("a")).position

    def decide(decision: Decision) -> None:
        decision.record(counter("a"), Added(amount=1), at=earlier)
        decision.record(counter("a"), Added(amount=1))

    asked = command(decide)
    asked = type(asked)(decide, by="somebody", at=NOON, why=cause)
    first, second = book.submit(asked).events
    assert (first.at, second.at) == (earlier, NOON)
    stored = book.event(first.position)
    assert stored == first
    assert (first.by, first.why) == ("somebody", cause)
    assert first.recorded_at == second.recorded_at


def test_recorded_time_never_runs_backwards(book: AnyBook) -> None:
    for _ in range(5):
        book.submit(add("a"))
    times = [event.recorded_at for event in book.events_after(0, 100)]
    assert times == sorted(times)


def test_events_after_stops_where_told(book: AnyBook) -> None:
    for _ in range(5):
        book.submit(add("a"))
    assert [event.position for event in book.events_after(2, 100, stop=4)] == [3, 4]
    assert [event.position for event in book.events_after(2, 1)] == [3]
    assert book.events_after(6, 10) == []
    assert book.event(99) is None
    assert book.event(0) is None


@pytest.mark.parametrize(
    "words",
    [
        {"by": ""},
        {"by": "a\0b"},
        {"by": "x" * 129},
        {"by": "\ud800"},
        {"contents": "a\nb"},
        {"key": b"short"},
    ],
)
def test_refuses_words_that_cannot_be_kept(book: AnyBook, words: dict[str, object]) -> None:
    whole: dict[str, object] = {"by": "toy", "at": NOON} | words
    asked = add("a")
    with pytest.raises(InvalidInput):
        book.submit(type(asked)(asked.decide, **whole))  # type: ignore[arg-type]
    assert book.head() == 1


def test_a_raw_body_is_kept_with_its_fact(book: AnyBook) -> None:
    body = Body(uuid4(), "stripe", b"\0sealed\xff", "ab" * 32, NOON)
    book.submit(command(lambda d: d.record(counter("a"), Added(amount=1)), bodies=(body,)))
    assert book.body(body.id) == body
    assert book.body(uuid4()) is None


def test_the_body_of_a_refused_command_is_not_kept(book: AnyBook) -> None:
    body = Body(uuid4(), "stripe", b"sealed", "ab" * 32, NOON)

    def decide(_: Decision) -> None:
        raise InsufficientFunds("no")

    with pytest.raises(InsufficientFunds):
        book.submit(command(decide, bodies=(body,)))
    assert book.body(body.id) is None


def test_a_body_that_came_before_stays_as_it_was(book: AnyBook) -> None:
    body = Body(uuid4(), "stripe", b"sealed", "ab" * 32, NOON)
    for _ in range(2):
        book.submit(command(lambda _: None, bodies=(body,)))
    assert book.body(body.id) == body


def test_wait_returns_the_head(book: AnyBook) -> None:
    position = book.submit(add("a")).position
    assert book.wait(position, 5.0) == position


def test_an_event_loop_is_answered_too(book: AnyBook) -> None:
    async def run() -> list[int]:
        receipts = await asyncio.gather(*(book.asubmit(add(f"c{n}")) for n in range(50)))
        return [receipt.position for receipt in receipts]

    positions = asyncio.run(run())
    assert sorted(positions) == list(range(2, 52))


def test_a_log_that_was_only_appended_to_verifies(book: AnyBook) -> None:
    book.submit(add("a", 10, key="k1"))
    book.submit(move("a", "b", 4, key="k2"))
    book.submit(add("a", 10, key="k1"))
    heard: list[int] = []
    report = book.verify(heard.append)
    assert report.ok, report.problem
    assert report.position == book.head() == 4
    assert report.streams == 3
    assert heard == [1, 2, 3, 4]
