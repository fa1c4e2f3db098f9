"""What was stored once is read for ever: every event's form, byte for byte."""

from __future__ import annotations

import msgspec
import pytest

from api.house.vocabulary import ACCESS, BOOK
from ledger.decision import Fact
from ledger.errors import LogUnreadable
from ledger.store.codec import Vocabulary
from tests.golden.examples import AT, BY, REQUEST, WHY, events, example, line, read, state_of

COMMITTED = read()


def vocabulary(name: str) -> Vocabulary:
    return BOOK if name in BOOK.facts else ACCESS


def test_every_event_has_its_line_and_every_line_its_event() -> None:
    present = {(name, fact.VERSION) for name, fact in events().items()}
    assert present <= set(COMMITTED), "run `python -m tests.golden.examples` and look at the line"
    assert {name for name, _ in COMMITTED} <= set(events()), "a stored name is for ever"


@pytest.mark.parametrize("name", sorted(events()))
def test_an_event_is_written_as_it_was_committed(name: str) -> None:
    fact = events()[name]
    assert line(fact) == COMMITTED[name, fact.VERSION]


@pytest.mark.parametrize(("name", "version"), sorted(COMMITTED))
def test_a_committed_event_is_read_in_its_present_form(name: str, version: int) -> None:
    read_back = vocabulary(name).decode(name, state_of(COMMITTED[name, version]))
    fact = events()[name]
    assert isinstance(read_back.data, fact)
    assert (read_back.at, read_back.by, read_back.req, read_back.why) == (AT, BY, REQUEST, WHY)
    if version == fact.VERSION:
        assert read_back.data == example(fact)


def test_an_example_fills_every_field() -> None:
    for fact in events().values():
        said = msgspec.to_builtins(example(fact))
        assert set(said) == set(fact.__struct_fields__), fact.NAME


def test_a_field_renamed_or_added_is_seen() -> None:
    """The control: a changed form has other bytes, and the old ones are not read as the new."""

    class BookOpened(Fact, frozen=True):
        NAME = "ledger.book-opened"
        owner: str

    class Longer(Fact, frozen=True):
        NAME = "ledger.book-opened"
        entity: str
        since: str

    committed = COMMITTED["ledger.book-opened", 1]
    for changed in (BookOpened, Longer):
        other = Vocabulary([changed])
        with pytest.raises(LogUnreadable):
            other.decode("ledger.book-opened", state_of(committed))
        filled = changed(**dict.fromkeys(changed.__struct_fields__, "acme-cy"))
        assert other.encode(filled, AT, BY, REQUEST, WHY, n=2) != state_of(committed)
