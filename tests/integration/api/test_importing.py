"""`counterfoil import`: a file into the book, once, and what is told when it cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapters.database.roles import Database
from api.cli import main
from api.house.vocabulary import BOOK
from ledger.book import Book
from ledger.ids import EntityId
from tests.support import NOON

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = "00000000-0000-4000-8000-00000000000c"
HEADER = "reference,at,text,currency,amount,debit,credit\n"


def line(number: int, amount: str = "2.00", **changes: Any) -> str:
    """A row that pays into the client's wallet, of a file of JSON lines."""
    legs = [["bank:client:main", "EUR", amount], [f"client:wallet:{CLIENT}", "EUR", f"-{amount}"]]
    row = {"reference": f"r{number}", "at": "2025-01-02T03:04:05Z", "text": "opening"}
    return json.dumps(row | {"postings": legs} | changes) + "\n"


class Desk:
    """Imports files into a book of this test alone."""

    def __init__(
        self, database: Database, folder: Path, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.database, self._folder, self._capture = database, folder, capture

    def take(self, name: str, text: str, *words: str) -> tuple[int, str, str]:
        """Import a file: the exit code, what was told, what was complained of."""
        path = self._folder / name
        path.write_text(text, "utf-8")
        self._capture.readouterr()
        code = main(["import", str(path), *words, "--home", str(self._folder)])
        told = self._capture.readouterr()
        return code, told.out, told.err

    def type(self, *words: str) -> tuple[int, str]:
        self._capture.readouterr()
        code = main([*words, "--home", str(self._folder)])
        return code, self._capture.readouterr().out


@pytest.fixture
def desk(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    monkeypatch.setenv("DATABASE_URL", database.admin_dsn)
    monkeypatch.setenv("COUNTERFOIL_ENTITY", "acme-cy")
    monkeypatch.delenv("COUNTERFOIL_CONFIG", raising=False)
    book = Book.open(database.dsn("book_writer"), EntityId("acme-cy"), BOOK, clock=lambda: NOON)
    book.close()
    return Desk(database, tmp_path, capsys)


def test_a_file_is_imported_once_and_the_books_balance(desk: Desk) -> None:
    text = "".join(line(number) for number in range(3)) + "\n"
    assert desk.take("old.jsonl", text)[:2] == (
        0,
        "3 entries imported, 0 stood there before; durable up to position 5\n",
    )
    assert desk.take("old.jsonl", text + line(3))[1].startswith("1 entries imported, 3 stood")
    told = json.loads(desk.take("old.jsonl", text + line(3), "--json")[1])
    assert told == {"imported": 0, "replayed": 4, "position": 6}
    code, trial = desk.type("trial-balance", "--json")
    assert code == 0
    assert "800" in trial
    assert desk.type("verify", "--json")[0] == 0


def test_the_source_names_the_rows_whatever_the_file_is_called(desk: Desk) -> None:
    desk.take("old.jsonl", line(1), "--source", "ledger of 2025")
    again = desk.take("new.jsonl", line(1), "--source", "ledger of 2025", "--json")
    other = desk.take("new.jsonl", line(1), "--json")
    assert json.loads(again[1])["replayed"] == 1
    assert json.loads(other[1])["imported"] == 1


def test_commas_hold_entries_of_two_legs(desk: Desk) -> None:
    rows = (
        f"r1,2025-01-02T03:04:05Z,opening,EUR,5.00,bank:client:main,client:wallet:{CLIENT}\n"
        "r2,2025-01-02T03:04:06Z,to bank,EUR,4.00,bank:house:main,bank:client:main\n"
    )
    assert desk.take("old.csv", HEADER + rows)[0] == 0
    assert '"position":4' in desk.take("old.csv", HEADER + rows, "--json")[1]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.jsonl", line(1) + line(2, "2.005"), "line 2: EUR has 2 decimals, not 3"),
        ("a.jsonl", line(1) + line(2, at="2025-01-02T03:04:05"), "line 2: a time carries its"),
        ("a.jsonl", line(1) + line(2, at="2999-01-02T03:04:05Z"), "line 2: the row has not"),
        ("a.jsonl", line(1) + line(2, more="x"), "line 2: Object contains unknown field"),
        ("a.jsonl", line(1) + "{\n", "line 2: "),
        ("a.jsonl", line(1) + line(1, "3.00"), "line 2: this idempotency key came first"),
        (
            "a.jsonl",
            line(1) + line(2, postings=[["bank:client:main", "EUR", "1"]]),
            "line 2: an entry has 2 to 64",
        ),
        ("a.csv", HEADER + "r1,2025-01-02T03:04:05Z,x\n", "line 2: a row has 7 fields"),
        ("a.csv", "a,b\n1,2\n", "line 1: the columns are reference,at,"),
    ],
)
def test_a_bad_row_refuses_its_chunk_and_is_named(
    desk: Desk, name: str, text: str, told: str
) -> None:
    code, out, complaint = desk.take(name, text)
    assert code == 2
    assert complaint.startswith(f"counterfoil: {told}")
    assert out.startswith("0 entries imported")
    # Control: without the bad row, the first one stands.
    assert desk.take("good.jsonl", line(1))[1].startswith("1 entries imported")


def test_a_file_that_is_not_there_is_told(desk: Desk) -> None:
    assert main(["import", "nowhere.jsonl"]) == 2
