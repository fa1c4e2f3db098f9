"""kill -9 of an import: what it acknowledged stands, and the file is imported again, once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults.load import open_book
from tests.faults.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapters.database.roles import Database

pytestmark = pytest.mark.fault

ROWS = 6_000
CHUNK_ROWS = 100
CHUNKS_BEFORE = (3, 17, 29)
AMOUNT = "1.00"


def history(path: Path, source_rows: int = ROWS, *, named: bool = True) -> None:
    """Write a file; its rows have the same names each time, or never do."""
    with path.open("w") as file:
        for number in range(source_rows):
            client = f"00000000-0000-4000-8000-{number % 50:012d}"
            legs = [
                ["bank:client:main", "EUR", AMOUNT],
                [f"client:wallet:{client}", "EUR", f"-{AMOUNT}"],
            ]
            name = f"r{number}" if named else f"{path.name} {number}"
            row = {"reference": name, "at": "2025-01-01T00:00:00Z", "text": "drill"}
            file.write(json.dumps(row | {"postings": legs}) + "\n")


def importing(database: Database, path: Path, kill_after: int | None) -> int:
    """Import in a process of its own, killed after so many chunks; return what it acknowledged."""
    words = (database.dsn("book_writer"), str(path), str(CHUNK_ROWS))
    command = [sys.executable, "-m", "tests.faults.importer", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        told = 0
        for number, line in enumerate(process.stdout, start=1):
            told = int(line)
            if number == kill_after:
                process.kill()
    assert kill_after is not None or process.returncode == 0
    return told


def credited(database: Database) -> Counter[str]:
    """How often each cause stands in the log, of a log that verifies."""
    book = open_book(database.dsn("book_writer"))
    seen: Counter[str] = Counter()
    position = 0
    while events := book.events_after(position, 1_000):
        seen.update(str(e.fact.cause) for e in events if hasattr(e.fact, "cause"))
        position = events[-1].position
    assert book.verify().ok
    book.close()
    return seen


def test_a_killed_import_loses_nothing_acknowledged_and_is_finished_by_the_next(
    database: Database, tmp_path: Path, tell: Callable[..., None]
) -> None:
    history(path := tmp_path / "history.jsonl")
    acknowledged = 0
    for chunks in CHUNKS_BEFORE:
        told = importing(database, path, chunks)
        stood = credited(database)
        assert len(stood) >= told
        assert len(stood) % CHUNK_ROWS == 0
        acknowledged = max(acknowledged, told)
    assert importing(database, path, None) == ROWS
    after = credited(database)
    twice = sum(times > 1 for times in after.values())
    tell(kills=len(CHUNKS_BEFORE), acknowledged=acknowledged, rows=len(after), duplicated=twice)
    assert len(after) == ROWS
    assert not twice


def test_control_rows_under_new_names_are_imported_twice(
    database: Database, tmp_path: Path, tell: Callable[..., None]
) -> None:
    for name in ("first.jsonl", "second.jsonl"):
        history(path := tmp_path / name, 300, named=False)
        importing(database, path, None)
    rows = sum(credited(database).values())
    tell(asked_for=300, rows=rows)
    assert rows == 600
