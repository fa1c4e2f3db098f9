"""`counterfoil import`: entries of another system into the book, chunk by chunk.

A chunk is recorded whole or not at all, and told when it is durable. Whatever interrupts an import,
the same file is imported again: rows that stand in the book are passed over.
"""

from __future__ import annotations

import csv
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from api.house.bootstrap import wall_clock
from api.shell.opening import books_at, log_of
from ledger.errors import Busy, InvalidInput, OutcomeUnknown
from ledger.imports import ImportedLeg, ImportedRow, import_command
from ledger.store.bulk import BULK_MAX, Appended, Bulk, CommandRefused
from ledger.store.limits import RECONNECT_DELAYS_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path
    from typing import BinaryIO

    from api.house.settings import Settings
    from api.shell.output import Output
    from ledger.decision import Command
    from ledger.ids import EntityId

    Tell = Callable[[Appended, int], None]

COLUMNS: Final = ("reference", "at", "text", "currency", "amount", "debit", "credit")
"""A file of commas holds entries of two legs: the amount moves from `credit` to `debit`."""
_DECODE: Final = msgspec.json.Decoder(ImportedRow).decode


class RowRefused(Exception):
    """A row, by its line in the file, and why: nothing of its chunk is recorded."""


class Read(msgspec.Struct, frozen=True, gc=False):
    """One row as it was read, and how far into the file that is."""

    line: int
    command: Command
    offset: int


def import_file(settings: Settings, out: Output, path: Path, source: str | None) -> int:
    """Import a file into the book; `source` names where it comes from, its own name by default."""
    name, size = source or path.stem, path.stat().st_size
    done: list[Appended] = []
    with (
        books_at(settings) as database,
        log_of(settings, database, "log") as book,
        closing(book.bulk()) as bulk,
        path.open("rb") as file,
        out.progress(f"importing {path.name}") as bar,
    ):

        def tell(appended: Appended, offset: int) -> None:
            done.append(appended)
            bar(offset, size)

        rows = read_rows(file, book.entity, name, commas=path.suffix == ".csv")
        try:
            import_rows(bulk, rows, tell)
        finally:
            recorded, replayed = (sum(each[of] for each in done) for of in (1, 2))
            position = done[-1].position if done else book.head()
            out.say(
                f"{recorded:,} entries imported, {replayed:,} stood there before; "
                f"durable up to position {position:,}"
            )
            out.data({"imported": recorded, "replayed": replayed, "position": position})
    return 0


def read_rows(
    file: BinaryIO, entity: EntityId, source: str, *, commas: bool = False
) -> Iterator[Read]:
    """Read a file of JSON lines, or of comma-separated values, into commands.

    Raises:
        RowRefused: with the line and the reason.
    """
    now = wall_clock()
    for line, row, offset in _csv_rows(file) if commas else _json_rows(file):
        try:
            yield Read(line, import_command(entity, source, row, now), offset)
        except InvalidInput as refusal:
            raise RowRefused(f"line {line}: {refusal}") from refusal


def import_rows(
    bulk: Bulk, rows: Iterator[Read], tell: Tell, *, chunk_rows: int = BULK_MAX
) -> None:
    """Append rows in chunks; the next chunk is read while one is being made durable.

    Args:
        bulk: the way into the book.
        rows: what to append.
        tell: hears of each chunk that is durable, and how far into the file it reached.
        chunk_rows: rows that stand or fall together.

    Raises:
        RowRefused: with the line and the reason; the chunks before it are durable.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="import") as hand:
        sent: Future[Appended] | None = None
        reached = 0
        try:
            while chunk := list(islice(rows, chunk_rows)):
                if sent is not None:
                    tell(sent.result(), reached)
                sent, reached = hand.submit(_append, bulk, chunk), chunk[-1].offset
        finally:
            if sent is not None:
                tell(sent.result(), reached)


def _append(bulk: Bulk, chunk: list[Read]) -> Appended:
    """Send a chunk until it is heard of: rows that stand in the book are passed over."""
    commands = [read.command for read in chunk]
    pauses_s = list(RECONNECT_DELAYS_S)
    while True:
        try:
            return bulk.append(commands)
        except CommandRefused as refused:
            raise RowRefused(f"line {chunk[refused.index].line}: {refused}") from refused
        except (Busy, OutcomeUnknown):
            if not pauses_s:
                raise
            time.sleep(pauses_s.pop(0))


def _json_rows(file: BinaryIO) -> Iterator[tuple[int, ImportedRow, int]]:
    offset = 0
    for number, line in enumerate(file, start=1):
        offset += len(line)
        if line.isspace():
            continue
        try:
            yield number, _DECODE(line), offset
        except msgspec.DecodeError as error:
            raise RowRefused(f"line {number}: {error}") from error


def _csv_rows(file: BinaryIO) -> Iterator[tuple[int, ImportedRow, int]]:
    offset = 0

    def lines() -> Iterator[str]:
        nonlocal offset
        for line in file:
            offset += len(line)
            yield line.decode("utf-8-sig" if offset == len(line) else "utf-8")

    reader = csv.DictReader(lines(), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise RowRefused(f"line 1: the columns are {','.join(COLUMNS)}")
        for row in reader:
            yield reader.line_num, _two_legs(row), offset
    except (csv.Error, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise RowRefused(f"line {reader.line_num}: {error}") from error


def _two_legs(row: dict[str, str]) -> ImportedRow:
    if None in row.values() or None in row:
        raise csv.Error(f"a row has {len(COLUMNS)} fields")
    currency, amount = row["currency"], row["amount"]
    plain = {name: row[name] for name in ("reference", "at", "text")}
    legs = (
        ImportedLeg(row["debit"], currency, amount),
        ImportedLeg(row["credit"], currency, f"-{amount}"),
    )
    return msgspec.convert(plain | {"postings": legs}, ImportedRow)
