from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.decision import Fact
from ledger.errors import LogUnreadable
from ledger.journal import Entry
from ledger.store.codec import Vocabulary
from tests.unit.ledger.store.counter import NOON, Added, Taken

BOUNDARIES = [
    sign * (number + off)
    for number in (0, 2**53, 2**63, 2**64, 2 * 10**19, 10**38)
    for off in (-1, 0, 1)
    for sign in (1, -1)
]


class Quoted(msgspec.Struct, frozen=True):
    at: datetime


class Priced(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.priced"
    until: datetime
    quotes: tuple[Quoted, ...] = ()
    late: datetime | None = None


class Noted(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.noted"
    until: datetime
    note: str


class Posted(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.posted"
    entry: Entry


VOCABULARY = Vocabulary([Added, Taken, Priced, Noted, Posted])


def there_and_back(fact: Fact) -> Fact:
    return VOCABULARY.decode(fact.NAME, VOCABULARY.encode(fact, NOON, "toy")).data


def test_a_stored_fact_is_readable() -> None:
    state = VOCABULARY.encode(Added(amount=5, note="für"), NOON, "api", "00ff:ab", 7, n=2)
    assert state.decode() == (
        '{"v":1,"at":"2026-03-02T12:00:00Z","by":"api","req":"00ff:ab","n":2,"why":7,'
        '"data":{"amount":5,"note":"für"}}'
    )


def test_what_is_absent_takes_no_room() -> None:
    state = VOCABULARY.encode(Added(amount=5), NOON, "api")
    assert state == b'{"v":1,"at":"2026-03-02T12:00:00Z","by":"api","data":{"amount":5}}'


@pytest.mark.parametrize("number", BOUNDARIES)
def test_large_amounts_are_exact(number: int) -> None:
    assert there_and_back(Added(amount=number)) == Added(amount=number)


@given(st.integers(-(10**38), 10**38), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_fact_comes_back_as_it_went(amount: int, note: str) -> None:
    assert there_and_back(Added(amount=amount, note=note)) == Added(amount=amount, note=note)


ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1970, 1, 3), datetime(2999, 1, 1), timezones=ZONES)  # noqa: DTZ001


@given(TIMES, TIMES, TIMES)
def test_times_are_stored_in_utc_to_the_microsecond(
    at: datetime, until: datetime, quoted: datetime
) -> None:
    fact = Priced(until=until, quotes=(Quoted(quoted),), late=until)
    state = VOCABULARY.encode(fact, at, "toy")
    told = VOCABULARY.decode("toy.priced", state)
    assert told.at == at
    assert told.data == fact
    plain = msgspec.json.decode(state)
    written = [plain["at"], *(plain["data"][name] for name in ("until", "late"))]
    assert all(text.endswith("Z") for text in written)
    assert plain["data"]["quotes"][0]["at"].endswith("Z")


@pytest.mark.parametrize(
    "fact",
    [
        Priced(until=NOON.replace(tzinfo=None)),
        Priced(until=NOON, late=NOON.replace(tzinfo=None)),
        Priced(until=NOON, quotes=(Quoted(NOON.replace(tzinfo=None)),)),
    ],
)
def test_refuses_a_time_without_a_zone(fact: Priced) -> None:
    with pytest.raises(AssertionError, match="zone"):
        VOCABULARY.encode(fact, NOON, "toy")
    with pytest.raises(AssertionError, match="zone"):
        VOCABULARY.encode(Added(amount=1), NOON.replace(tzinfo=None), "toy")


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2))])
@pytest.mark.parametrize(
    "note", ["2026-03-02T12:00:00", "2026-03-02T12:00:00+02:00", '"T12:00:00.5"', "T12:00:00Z"]
)
def test_a_text_that_looks_like_a_time_stays_as_it_is(note: str, zone: timezone) -> None:
    fact = Noted(until=NOON.astimezone(zone), note=note)
    state = VOCABULARY.encode(fact, NOON, "toy")
    assert msgspec.json.decode(state)["data"] == {"until": "2026-03-02T12:00:00Z", "note": note}


def test_refuses_a_fact_out_of_the_vocabulary() -> None:
    with pytest.raises(AssertionError, match="vocabulary"):
        Vocabulary([Added]).encode(Taken(amount=1), NOON, "toy")


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("toy.unknown", b'{"v":1,"at":"2026-03-02T12:00:00Z","by":"x","data":{}}'),
        ("toy.added", b'{"v":2,"at":"2026-03-02T12:00:00Z","by":"x","data":{"amount":1}}'),
        ("toy.added", b'{"v":0,"at":"2026-03-02T12:00:00Z","by":"x","data":{"amount":1}}'),
        ("toy.added", b'{"v":1,"at":"2026-03-02T12:00:00Z","by":"x","data":{"amount":"1"}}'),
        ("toy.added", b'{"v":1,"at":"2026-03-02T12:00:00Z","by":"x","data":{"amount":1.5}}'),
        ("toy.added", b'{"v":1,"at":"2026-03-02T12:00:00Z","by":"x","data":{}}'),
        ("toy.added", b"{"),
        ("toy.added", b"\xff"),
        (
            "toy.posted",
            b'{"v":1,"at":"2026-03-02T12:00:00Z","by":"x","data":{"entry":["",[["a:b","EUR",1],["a:c","EUR",-2]]]}}',
        ),
    ],
)
def test_what_it_does_not_know_it_does_not_read(name: str, state: bytes) -> None:
    with pytest.raises(LogUnreadable):
        VOCABULARY.decode(name, state)


class Renamed(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.renamed"
    VERSION: ClassVar[int] = 3
    minor: int
    currency: str


def to_minor(data: dict[str, Any]) -> dict[str, Any]:
    return {"minor": data["amount"] * 100}


def with_currency(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"currency": "EUR"}


UPCASTERS = {("toy.renamed", 1): to_minor, ("toy.renamed", 2): with_currency}


def old(version: int, data: str) -> bytes:
    head = f'{{"v":{version},"at":"2026-03-02T12:00:00Z","by":"x","req":"aa:b","n":2,"why":3'
    return f'{head},"data":{data}}}'.encode()


@pytest.mark.parametrize(
    "state",
    [old(1, '{"amount":7}'), old(2, '{"minor":700}'), old(3, '{"minor":700,"currency":"EUR"}')],
)
def test_former_versions_are_brought_to_the_present_form(state: bytes) -> None:
    told = Vocabulary([Renamed], UPCASTERS).decode("toy.renamed", state)
    assert told.data == Renamed(minor=700, currency="EUR")
    assert (told.at, told.by, told.req, told.n, told.why) == (NOON, "x", "aa:b", 2, 3)


def test_an_old_form_that_reads_like_the_new_one_is_still_upcast() -> None:
    class Doubled(Fact, frozen=True):
        NAME: ClassVar[str] = "toy.doubled"
        VERSION: ClassVar[int] = 2
        amount: int

    words = Vocabulary([Doubled], {("toy.doubled", 1): lambda data: {"amount": 2 * data["amount"]}})
    assert words.decode("toy.doubled", old(1, '{"amount":7}')).data == Doubled(amount=14)


def test_an_upcaster_that_fails_makes_the_log_unreadable() -> None:
    with pytest.raises(LogUnreadable):
        Vocabulary([Renamed], UPCASTERS).decode("toy.renamed", old(1, "{}"))


class Same(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.added"


class Loud(Fact, frozen=True):
    NAME: ClassVar[str] = "Toy.Loud"


class Inexact(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.inexact"
    amounts: dict[str, tuple[float, ...]]


class Formless(Fact, frozen=True):
    NAME: ClassVar[str] = "toy.formless"
    anything: Any = None


@pytest.mark.parametrize(
    ("facts", "upcasters"),
    [
        ([Added, Same], {}),
        ([Loud], {}),
        ([Inexact], {}),
        ([Formless], {}),
        ([Renamed], {("toy.renamed", 2): with_currency}),
        ([Added], {("toy.added", 1): to_minor}),
        ([Added], {("toy.unknown", 1): to_minor}),
    ],
    ids=["doubled", "not our names", "float", "any", "gap", "no past form", "stranger"],
)
def test_refuses_a_vocabulary_that_could_not_be_read_back(
    facts: list[type[Fact]], upcasters: dict[tuple[str, int], Any]
) -> None:
    with pytest.raises(ValueError, match=r"toy|Toy"):
        Vocabulary(facts, upcasters)


def test_the_same_fact_may_be_named_twice() -> None:
    assert list(Vocabulary([Added, Added]).facts) == ["toy.added"]


def test_a_utc_time_is_left_alone() -> None:
    assert NOON.tzinfo is UTC
    fact = Priced(until=NOON)
    assert there_and_back(fact) == fact
