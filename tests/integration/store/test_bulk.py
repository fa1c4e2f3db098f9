"""Many commands in one append: the log says what single commands would have written."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL

from ledger.book import Vocabulary
from ledger.errors import Busy, InsufficientFunds, InvalidInput, KeyReused, OutcomeUnknown, Refusal
from ledger.facts import FACTS
from ledger.ids import ClientId, child_id
from ledger.imports import ImportedLeg, ImportedRow, import_command
from ledger.store import session
from ledger.store.bulk import Appended, CommandRefused
from ledger.store.memory import MemoryBook
from ledger.wallet import wallet
from tests.integration.store.proxy import Loss, LossyProxy
from tests.unit.ledger.store.counter import ENTITY, NOON, add, command, counter, take, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapters.database.roles import Database
    from ledger.book import AnyBook, Book
    from ledger.decision import Command

    OpenBook = Callable[..., Book]

CLIENTS = tuple(ClientId(UUID(int=n, version=4)) for n in range(4))
WORDS = Vocabulary(FACTS)
HOUSE = ("bank:client:main", "psp:clearing:stripe-eu")


def adds(names: str, *, keys: str = "k") -> list[Command]:
    return [add(name, n + 1, key=f"{keys}{n}") for n, name in enumerate(names)]


def append(book: Book, commands: Sequence[Command]) -> Appended:
    with closing(book.bulk()) as bulk:
        return bulk.append(commands)


def told(book: AnyBook) -> list[object]:
    """All that the log says but our own time, and what depends on it."""
    return [
        (e.position, e.stream_id, e.version, e.fact, e.at, e.by, e.request)
        for e in book.events_after(1, 10_000)
    ]


def test_a_chunk_stands_as_its_commands_would_one_by_one(open_book: OpenBook) -> None:
    book, model = open_book(), MemoryBook(ENTITY, vocabulary(), clock=lambda: NOON)
    for names in ("abcab", "aabbd"):
        commands = adds(names, keys=names)
        assert append(book, commands).recorded == len(commands)
        for each in commands:
            model.submit(each)
    assert told(book) == told(model)
    assert book.verify().ok


def test_a_chunk_that_comes_again_is_recorded_once(open_book: OpenBook) -> None:
    book = open_book()
    first = append(book, adds("abc"))
    again = append(book, adds("abcde"))
    assert (first.recorded, first.replayed) == (3, 0)
    assert (again.recorded, again.replayed) == (2, 3)
    assert append(book, adds("abcde")) == (again.position, 0, 5)
    assert book.head() == again.position == 6


def test_what_a_chunk_holds_twice_is_recorded_once(open_book: OpenBook) -> None:
    book = open_book()
    told = append(book, [*adds("ab"), *adds("ab"), *adds("ab") * 2])
    assert (told.recorded, told.replayed) == (2, 6)
    assert book.head() == told.position == 3
    assert book.verify().ok


def test_one_refusal_refuses_its_chunk_and_says_which(open_book: OpenBook) -> None:
    book = open_book()
    many = [add("a", key=f"a{n}") for n in range(600)]
    with closing(book.bulk()) as bulk:
        with pytest.raises(CommandRefused) as refused:
            bulk.append([*many, take("b", 1, key="b"), add("c", key="c")])
        assert refused.value.index == 600
        assert isinstance(refused.value.refusal, InsufficientFunds)
        assert book.head() == 1
        # Control: without the bad one, the same chunk stands.
        assert bulk.append([*many, add("c", key="c")]).recorded == 601
    assert book.verify().ok


def test_refuses_a_key_that_came_with_other_contents(open_book: OpenBook) -> None:
    book = open_book()
    append(book, [add("a", 1, key="k")])
    for chunk in ([add("a", 2, key="k")], [add("b", 1, key="n"), add("b", 2, key="n")]):
        with pytest.raises(CommandRefused) as refused:
            append(book, chunk)
        assert isinstance(refused.value.refusal, KeyReused)
    assert book.head() == 2


def test_refuses_words_that_cannot_be_kept(open_book: OpenBook) -> None:
    bad = command(add("a").decide, counter("a"), key="k", contents="")
    bad = type(bad)(bad.decide, by="a\0b", at=NOON, key=bad.key, names=bad.names)
    with pytest.raises(CommandRefused) as refused:
        append(open_book(), [add("a", key="x"), bad])
    assert refused.value.index == 1
    assert isinstance(refused.value.refusal, InvalidInput)


def test_a_fault_of_ours_leaves_nothing_and_the_way_open(open_book: OpenBook) -> None:
    book = open_book()
    with closing(book.bulk()) as bulk:
        with pytest.raises(AssertionError, match="does not name"):
            bulk.append([*adds("ab"), add("c", key="c", named=False)])
        assert bulk.append(adds("ab")).recorded == 2


def test_goes_on_from_what_others_appended_meanwhile(open_book: OpenBook) -> None:
    book, other = open_book(), open_book()
    with closing(book.bulk()) as bulk:
        bulk.append(adds("ab"))
        other.submit(add("a", 10))
        book.submit(take("b", 1))
        bulk.append([take("a", 11, key="t"), add("b", 5, key="u")])
    other.submit(add("a", 7))
    assert book.state(counter("a")).total == 7
    assert other.state(counter("b")).total == 6
    assert book.verify().ok


def test_followers_and_the_writer_hear_of_a_chunk(open_book: OpenBook) -> None:
    book, other = open_book(), open_book()
    other.wait(1, 1.0)
    position = append(book, adds("abc")).position
    assert book.wait(position, 0.0) == position
    assert other.wait(position, 10.0) == position


def test_a_long_stream_gets_a_snapshot_that_holds(open_book: OpenBook) -> None:
    book = open_book()
    append(book, [add("a", key=f"k{n}") for n in range(350)])
    kept = list(book._reader.snapshots())
    assert [snapshot.version for snapshot in kept] == [350]
    assert book.wrong_snapshots([counter("a").kind]) == []


@pytest.mark.fault
@pytest.mark.parametrize("loss", [Loss.ANSWER, Loss.REQUEST])
def test_a_chunk_with_a_lost_commit_is_sent_again_and_stands_once(
    open_book: OpenBook, database: Database, loss: Loss
) -> None:
    dsn = database.dsn("book_writer")
    with LossyProxy(int(str(conninfo_to_dict(dsn)["port"]))) as proxy:
        book = open_book(make_conninfo(dsn, host="127.0.0.1", port=proxy.port))
        with closing(book.bulk()) as bulk:
            bulk.append(adds("ab"))
            proxy.losses = [loss]
            with pytest.raises(OutcomeUnknown):
                bulk.append(adds("abcd"))
            again = bulk.append(adds("abcd"))
        assert again.replayed == (4 if loss is Loss.ANSWER else 2)
        assert book.head() == 5
        assert book.verify().ok


@pytest.mark.fault
def test_a_writer_that_keeps_the_lock_is_told_as_busy(
    open_book: OpenBook, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = open_book()
    monkeypatch.setattr(session, "PATIENCE", session.PATIENCE + SQL("; SET lock_timeout = 100"))
    with closing(book.bulk()) as bulk, psycopg.connect(database.dsn("book_writer")) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(7301001)")
        with pytest.raises(Busy):
            bulk.append(adds("a"))
        holder.rollback()
        assert bulk.append(adds("a")).recorded == 1


amounts = st.integers(1, 400).map(lambda minor: f"{minor // 100}.{minor % 100:02d}")
rows = st.tuples(st.integers(0, 12), st.integers(0, 3), st.booleans(), amounts)
Row = tuple[int, int, bool, str]


@pytest.fixture
def ledger(open_book: OpenBook) -> Book:
    return open_book(vocabulary=WORDS)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chunks=st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=5))
def test_any_import_stands_as_single_commands_would_or_not_at_all(
    ledger: Book, chunks: list[list[Row]]
) -> None:
    before = ledger.head()
    accepted: list[Command] = []
    with closing(ledger.bulk()) as bulk:
        for chunk in chunks:
            commands = [command_of(f"source {before}", row) for row in chunk]
            expected = refusal_of([*accepted, *commands])
            if expected is None:
                bulk.append(commands)
                accepted += commands
            else:
                with pytest.raises(CommandRefused) as refused:
                    bulk.append(commands)
                assert type(refused.value.refusal) is expected
    model = MemoryBook(ENTITY, WORDS, clock=lambda: NOON)
    for each in accepted:
        model.submit(each)
    assert without_positions(ledger, before) == without_positions(model, 1)


def test_what_the_property_imported_verifies(ledger: Book) -> None:
    first = (0, 0, True, "3.00")
    append(ledger, [command_of("s", first), command_of("s", (1, 0, False, "1.50"))])
    assert ledger.state(wallet(ENTITY, CLIENTS[0], "EUR")).available == 1_50
    assert ledger.verify().ok


def command_of(source: str, row: Row) -> Command:
    """A row of some source; each source has clients of its own."""
    number, whose, inward, amount = row
    place = child_id(CLIENTS[whose], source) if source != "s" else CLIENTS[whose]
    account = HOUSE[1] if whose == len(CLIENTS) - 1 else f"client:wallet:{place}"
    signs = ("", "-") if inward else ("-", "")
    legs = tuple(
        ImportedLeg(name, "EUR", sign + amount)
        for name, sign in zip((HOUSE[0], account), signs, strict=True)
    )
    return import_command(ENTITY, source, ImportedRow(f"r{number}", NOON, "history", legs), NOON)


def refusal_of(commands: list[Command]) -> type[Refusal] | None:
    """What the first of these is refused with, one by one, in a book of nobody else."""
    model = MemoryBook(ENTITY, WORDS, clock=lambda: NOON)
    try:
        for each in commands:
            model.submit(each)
    except Refusal as refusal:
        return type(refusal)
    return None


def without_positions(book: AnyBook, after: int) -> list[object]:
    return [
        (e.stream_id, e.version, e.fact, e.at, e.by, e.request)
        for e in book.events_after(after, 10_000)
    ]
