"""The books at any point and between any two, backdated entries included, as the model has them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidInput, LogUnreadable
from ledger.store.chain import Broken
from ledger.store.codec import Vocabulary
from projections import fold as folding
from projections.balances import balance, balances
from projections.fold import fold
from projections.points import Point, at_position, at_time, difference, state_at
from projections.replay import fold_balances
from tests.conftest import copied_database
from tests.integration.projections.house import StoredHouse
from tests.unit.projections.house import CLEARING, START, VOCABULARY, legs

if TYPE_CHECKING:
    from psycopg import Connection

    from adapters.database.embedded import EmbeddedPostgres

    Sums = dict[tuple[str, str], int]

ACCOUNTS = ("acme-cy:bank:house:main", "acme-cy:expense:write-offs", CLEARING)
HALF_DAY = timedelta(hours=12)
ALL = 1_000
REWRITTEN = "UPDATE book.log SET state = replace(encode(state, 'escape'), '{}', '{}')::bytea"


class Model:
    """Ten lines that are obviously right."""

    def __init__(self, house: StoredHouse) -> None:
        self.events = house.events

    def balances(self, point: Point) -> Sums:
        counted = [event for event in self.events if point.counts(event)]
        return {key: minor for key, minor in fold_balances(counted).items() if minor}

    def known_at(self, moment: datetime) -> int:
        return sum(event.recorded_at <= moment for event in self.events)


entries = st.lists(
    st.tuples(
        st.integers(0, 20),  # effective, in half days
        st.integers(0, 2),  # recorded that many half days after the one before it
        st.sampled_from(["EUR", "JPY", "KWD"]),
        st.integers(1, 10**20),
        st.permutations(ACCOUNTS),
    ),
    min_size=1,
    max_size=20,
)
asked = st.lists(
    st.tuples(st.booleans(), st.integers(-1, 45), st.integers(-1, 45)), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def server(postgres: EmbeddedPostgres, template: str) -> tuple[EmbeddedPostgres, str]:
    return postgres, template


def played(house: StoredHouse, book: list[tuple[int, int, str, int, list[str]]]) -> None:
    for effective, later, currency, minor, (first, second, *_) in book:
        house.now += later * HALF_DAY
        then = START + effective * HALF_DAY
        house.post(*legs((first, currency, minor), (second, currency, -minor)), at=then)
    house.write()


def added(sums: Sums, more: Sums) -> Sums:
    both = {key: sums.get(key, 0) + more.get(key, 0) for key in sums.keys() | more.keys()}
    return {key: minor for key, minor in both.items() if minor}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(book=entries, questions=asked, page=st.sampled_from([1, 3, 1_000]))
def test_a_difference_added_to_the_earlier_state_is_the_later_one(
    server: tuple[EmbeddedPostgres, str],
    book: list[tuple[int, int, str, int, list[str]]],
    questions: list[tuple[bool, int, int]],
    page: int,
) -> None:
    with copied_database(*server) as database, pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "PAGE", page)
        house = StoredHouse(database)
        played(house, book)
        model = Model(house)
        with psycopg.connect(database.dsn("audit_reader"), autocommit=True) as auditing:
            for effective, *halves in questions:
                times = [START + half * HALF_DAY for half in sorted(halves)]
                a, b = (at_time(auditing, time, effective=effective) for time in times)
                if not effective:
                    assert [a.position, b.position] == [model.known_at(time) for time in times]
                before = state_at(auditing, VOCABULARY, a).balances
                after = state_at(auditing, VOCABULARY, b).balances
                found = difference(auditing, VOCABULARY, a, b, last=ALL)

                assert (before, after) == (model.balances(a), model.balances(b))
                moved = {(m.account, m.currency): m.minor for m in found.accounts}
                assert added(before, moved) == after
                for m in found.accounts:
                    assert sum(change.minor for change in m.changes) == m.minor
                    assert m.events == len(m.changes)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(book=entries)
def test_the_state_at_a_point_is_what_the_read_models_say_of_it(
    server: tuple[EmbeddedPostgres, str], book: list[tuple[int, int, str, int, list[str]]]
) -> None:
    with copied_database(*server) as database:
        house = StoredHouse(database)
        played(house, book)
        house.fold()
        with psycopg.connect(database.dsn("audit_reader"), autocommit=True) as auditing:
            for half in range(-1, 41, 7):
                time = START + half * HALF_DAY
                for effective in (False, True):
                    point = at_time(auditing, time, effective=effective)
                    at, known_at = (time, None) if effective else (None, time)
                    page = balances(auditing, limit=ALL, at=at, known_at=known_at)
                    theirs = {(b.account, b.currency): b.minor for b in page.rows if b.minor}
                    ours = state_at(auditing, VOCABULARY, point).balances
                    assert ours == theirs
                    for key, minor in ours.items():
                        assert balance(auditing, *key, at=at, known_at=known_at) == minor


def a_day(house: StoredHouse) -> tuple[int, datetime]:
    """A deposit, then an entry of a week ago, an hour later; where and when the first ended."""
    house.deposit(1, house.register(1), 100_000, "EUR", "USD")
    head, then = house.book.head(), house.now
    house.now += timedelta(hours=1)
    week_ago = house.now - timedelta(days=7)
    house.post(*legs((ACCOUNTS[0], "JPY", 7), (ACCOUNTS[1], "JPY", -7)), at=week_ago)
    house.write()
    return head, then


def test_a_backdated_entry_changes_the_past_of_the_world_and_not_of_our_knowledge(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    head, then = a_day(house)

    known = state_at(auditing, VOCABULARY, at_time(auditing, then))
    true = state_at(auditing, VOCABULARY, at_time(auditing, then, effective=True))

    assert known.point == at_position(auditing, head)
    assert (ACCOUNTS[0], "JPY") not in known.balances
    assert true.balances[ACCOUNTS[0], "JPY"] == 7


def test_a_change_names_its_event(house: StoredHouse, auditing: Connection[Any]) -> None:
    head, _ = a_day(house)

    found = difference(auditing, VOCABULARY, Point(head), Point(head + 1), last=1)

    (bank, written_off) = found.accounts
    (change,) = bank.changes
    assert (bank.account, bank.before, bank.after) == (ACCOUNTS[0], 0, 7)
    assert (change.position, change.fact, change.text) == (
        head + 1,
        "ledger.entry-posted",
        "by hand",
    )
    assert change.recorded_at - change.effective_at == timedelta(days=7)
    assert written_off.minor == -7


def test_only_the_last_changes_are_told_and_all_are_counted(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    client = house.register(1)
    for minor in (100, 20, 3):
        house.credit(client, minor)
    house.write()

    found = difference(auditing, VOCABULARY, Point(0), Point(house.book.head()), last=2)

    assert [(m.events, m.minor, len(m.changes)) for m in found.accounts] == [
        (3, -123, 2),
        (3, 123, 2),
    ]


@pytest.mark.parametrize(
    ("points", "code"),
    [
        ((Point(4), Point(3)), "points_reversed"),
        ((Point(4, START), Point(4, START - HALF_DAY)), "points_reversed"),
        ((Point(4), Point(4, START)), "points_mixed"),
    ],
)
def test_points_that_span_nothing_are_refused(
    house: StoredHouse, auditing: Connection[Any], points: tuple[Point, Point], code: str
) -> None:
    a_day(house)

    with pytest.raises(InvalidInput) as refused:
        difference(auditing, VOCABULARY, *points, last=1)

    assert refused.value.public_code == code


@pytest.mark.parametrize(
    ("position", "code"), [(10**6, "point_beyond_head"), (-1, "point_unreadable")]
)
def test_a_point_outside_of_the_log_is_refused(
    house: StoredHouse, auditing: Connection[Any], position: int, code: str
) -> None:
    a_day(house)

    with pytest.raises(InvalidInput) as refused:
        at_position(auditing, position)

    assert refused.value.public_code == code


# --- the fold at speed: what it takes for plain, and what it does not


def test_facts_of_an_older_form_are_folded_through_their_upcasters(
    house: StoredHouse, auditing: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day(house)
    expected = fold_balances(house.events)
    posted = VOCABULARY.facts["ledger.entry-posted"]
    monkeypatch.setattr(posted, "VERSION", 2)

    def doubled(data: dict[str, Any]) -> dict[str, Any]:
        text, postings = data["entry"]
        return data | {"entry": [text, [[a, c, 2 * minor] for a, c, minor in postings]]}

    newer = Vocabulary(VOCABULARY.facts.values(), {("ledger.entry-posted", 1): doubled})
    found = fold(auditing, newer, house.book.head())

    assert found[ACCOUNTS[0], "JPY"] == 2 * expected[ACCOUNTS[0], "JPY"]
    assert found[CLEARING, "EUR"] == expected[CLEARING, "EUR"]


def test_a_missing_position_is_named(house: StoredHouse, auditing: Connection[Any]) -> None:
    a_day(house)
    house.tamper("DELETE FROM book.log WHERE position = 3")

    with pytest.raises(Broken, match="position 3"):
        fold(auditing, VOCABULARY, house.book.head())


def test_a_log_that_ends_before_the_point_is_not_taken_for_it(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    a_day(house)

    with pytest.raises(LogUnreadable, match="the log ends at"):
        fold(auditing, VOCABULARY, house.book.head() + 1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE book.log SET name = 'payments.unheard-of' WHERE position = 4",
        "UPDATE book.log SET state = '{}' WHERE name = 'ledger.entry-posted'",
        "UPDATE book.log SET state = state || ',{}'::bytea WHERE name = 'ledger.entry-posted'",
        f"{REWRITTEN.format('-7]', '-8]')} WHERE name = 'ledger.entry-posted'",
    ],
)
def test_what_cannot_be_read_or_does_not_balance_is_refused(
    house: StoredHouse, auditing: Connection[Any], change: str
) -> None:
    a_day(house)
    house.tamper(change)

    with pytest.raises(LogUnreadable):
        fold(auditing, VOCABULARY, house.book.head())


def test_control_the_fold_believes_a_balanced_lie_which_the_audit_is_for(
    house: StoredHouse, auditing: Connection[Any]
) -> None:
    a_day(house)
    house.tamper(f"{REWRITTEN.format('7]', '8]')} WHERE name = 'ledger.entry-posted'")

    assert fold(auditing, VOCABULARY, house.book.head())[ACCOUNTS[0], "JPY"] == 8


def test_nothing_is_nothing(house: StoredHouse, auditing: Connection[Any]) -> None:
    house.write()

    assert fold(auditing, VOCABULARY, 0) == {}
    assert msgspec.to_builtins(state_at(auditing, VOCABULARY, Point(0)).balances) == {}
