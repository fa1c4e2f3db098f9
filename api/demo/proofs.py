"""After the day: is every cent where the log says it is?"""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from api.house import vocabulary
from ledger.money import Money
from projections import audit, balances, export, replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.demo.paper import Paper
    from api.house.bootstrap import House
    from ledger.decision import Event

PAGE: Final = 5_000
HLEDGER_S: Final = 120


def prove(house: House, paper: Paper) -> bool:
    """Print the trial balance and every proof; True when all held."""
    with psycopg.connect(house.database.dsn("audit_reader"), autocommit=True) as connection:
        _wait_for_projections(house)
        trial = balances.trial_balance(connection)
        paper.table(
            "Trial balance (debit +), by kind of account",
            ("account", "currency", "balance"),
            [(line.kind, line.currency, _words(line)) for line in trial.lines if line.minor],
            right=2,
        )
        held = [_say(paper, trial.balanced, "the trial balance is zero in every currency")]
        report = audit.verify(connection, vocabulary.BOOK, house.book.entity)
        held += [
            _say(paper, check.held, f"{check.name}: {check.detail}") for check in report.checks
        ]
    seen = house.access.verify()
    words = f"the access log verifies: {seen.position:,} records, chained"
    held.append(_say(paper, seen.problem is None, words))
    rebuilt = replay.replay(house.database.dsn("projector"), vocabulary.BOOK)
    rows = sum(table.rows for table in rebuilt.tables)
    words = f"replay equals live: {len(rebuilt.tables)} tables, {rows:,} rows, row by row"
    held.append(_say(paper, rebuilt.equal, words))
    held.append(_hledger(house, paper))
    return all(held)


def _wait_for_projections(house: House) -> None:
    house.runner.catch_up()


def _say(paper: Paper, holds: bool, words: str) -> bool:  # noqa: FBT001 - a verdict
    paper.proof(holds, words)
    return holds


def _words(line: balances.TrialLine) -> str:
    return Money(line.minor, line.currency).text()


def _hledger(house: House, paper: Paper) -> bool:
    """Let an accounting program that knows nothing of us add up the export."""
    program = shutil.which("hledger")
    if program is None:
        paper.say("hledger is not installed here: its opinion of the export is skipped.")
        return True
    ours = {key: minor for key, minor in replay.fold_balances(_events(house)).items() if minor}
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "book.journal"
        with journal.open("w", encoding="utf-8") as file:
            file.writelines(export.hledger(_events(house)))
        told = subprocess.run(  # noqa: S603 - the program that we looked up
            [program, "-f", str(journal), "balance", "--flat", "--no-total", "-O", "csv"],
            capture_output=True,
            check=False,
            text=True,
            timeout=HLEDGER_S,
        )
    if told.returncode:
        return _say(paper, False, f"hledger refuses the export: {told.stderr[:200]}")  # noqa: FBT003
    theirs = _amounts(told.stdout)
    words = f"hledger adds the export up to the same {len(theirs):,} balances"
    wanted = {(a, c): Decimal(Money(minor, c).text()) for (a, c), minor in ours.items()}
    return _say(paper, theirs == wanted, words)


def _amounts(text: str) -> dict[tuple[str, str], Decimal]:
    found: dict[tuple[str, str], Decimal] = {}
    rows: Iterator[Any] = csv.reader(io.StringIO(text))
    next(rows)
    for account, amounts in rows:
        for amount in amounts.split(", "):
            first, second = amount.replace('"', "").split(" ")
            number, currency = (first, second) if first[-1].isdigit() else (second, first)
            found[account, currency] = Decimal(number)
    return found


def _events(house: House) -> Iterator[Event]:
    position = 0
    while events := house.book.events_after(position, PAGE):
        yield from events
        position = events[-1].position
