"""Entries imported per second: from a file to durable, read, checked, keyed and chained.

Half of the rows move a client's wallet, half move house accounts alone; the file is in the order of
time, as an export of another system is.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from adapters.database.roles import prepare_embedded
from api.house.vocabulary import BOOK
from api.shell.importing import import_rows, read_rows
from ledger.book import Book
from ledger.imports import ImportedLeg, ImportedRow
from tests.benchmarks.load import ENTITY, WALLETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.database.embedded import EmbeddedPostgres
    from adapters.database.roles import Database
    from ledger.store.bulk import Appended

Tell = Callable[[str], None]
ROWS = 150_000
ROUNDS = 3
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


def rows(seed: int, count: int) -> Iterator[ImportedRow]:
    """Make the history of another system."""
    chance = random.Random(seed)
    clients = [UUID(int=chance.getrandbits(128), version=4) for _ in range(WALLETS)]
    for number in range(count):
        amount = f"{chance.randint(1, 25_000)}.{chance.randint(0, 99):02d}"
        if number % 2:
            sides = "psp:clearing:stripe-eu", f"client:wallet:{chance.choice(clients)}"
        else:
            sides = "bank:client:main", "psp:clearing:stripe-eu"
        legs = (ImportedLeg(sides[0], "EUR", amount), ImportedLeg(sides[1], "EUR", f"-{amount}"))
        at = SINCE + timedelta(seconds=number)
        yield ImportedRow(f"r{number}-{chance.getrandbits(32):08x}", at, "history", legs)


def run(
    server: EmbeddedPostgres, folder: Path, seed: int, tell: Tell, count: int = ROWS
) -> dict[str, Any]:
    """Import a file several times, each into a book that is empty; then once more, for nothing."""
    tell(f"importing {count:,} entries")
    path = folder / "history.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows(seed, count)))
    seen = [_timed(prepare_embedded(server, f"bulk_{each}"), path) for each in range(ROUNDS)]
    assert all(each.told == (count, 0) for each in seen), "every row of a file is imported"
    again = _timed(prepare_embedded(server, "bulk_0"), path)
    assert again.told == (0, count), "an import that is repeated imports nothing"
    return {
        "figures": {
            "bulk_import_per_s": round(count / median(each.seconds for each in seen)),
            "bulk_import_cpu_us": round(median(each.cpu_s for each in seen) / count * 1e6, 1),
            "bulk_repeat_per_s": round(count / again.seconds),
            "bulk_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        },
        "rounds": {"bulk_import_per_s": [round(count / each.seconds) for each in seen]},
    }


class Timed(NamedTuple):
    """How long an import took, what it cost this process, and how many rows are new and known."""

    seconds: float
    cpu_s: float
    told: tuple[int, int]


def _timed(database: Database, path: Path) -> Timed:
    writer = database.dsn("book_writer")
    with closing(Book.open(writer, ENTITY, BOOK, clock=lambda: datetime.now(UTC))) as book:
        begun, cpu = time.perf_counter(), time.process_time()
        told = _import(book, path)
        return Timed(time.perf_counter() - begun, time.process_time() - cpu, told)


def _import(book: Book, path: Path) -> tuple[int, int]:
    recorded = replayed = 0

    def tell(appended: Appended, offset: int) -> None:
        del offset
        nonlocal recorded, replayed
        recorded, replayed = recorded + appended.recorded, replayed + appended.replayed

    with path.open("rb") as file, closing(book.bulk()) as bulk:
        import_rows(bulk, read_rows(file, ENTITY, "history"), tell)
    return recorded, replayed
