"""Exports the whole log in its own order: an hledger journal, CSV, or the rows as they stand."""

from __future__ import annotations

import csv
import io
import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from ledger.money import Money
from projections.log import entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ledger.decision import Event
    from ledger.journal import Entry
    from ledger.store.chain import Row

CSV_COLUMNS: Final = (
    *("position", "leg", "effective_at", "recorded_at", "fact", "stream", "version", "by"),
    *("text", "account", "currency", "amount", "minor"),
)
_PLAIN_COMMODITY: Final = re.compile(r"[A-Za-z]+")
_NOT_IN_TEXT: Final = re.compile(r"[\s;|]+")


def hledger(events: Iterable[Event]) -> Iterator[str]:
    """Write an hledger journal, a piece at a time.

    One transaction per entry: its date is the effective day (UTC), its code the position; tags say
    when it was recorded, which fact it is and on which stream it stands.
    """
    yield "decimal-mark .\n\n"
    declared: set[str] = set()
    for event in events:
        entry = entry_of(event)
        if entry is None:
            continue
        yield from _declarations(entry, declared)
        yield _transaction(event, entry)


def csv_lines(events: Iterable[Event]) -> Iterator[str]:
    """Write CSV, a line per posting, below a line of column names."""
    yield _csv_line(CSV_COLUMNS)
    for event in events:
        entry = entry_of(event)
        for leg, posting in enumerate(entry.postings if entry else ()):
            yield _csv_line(
                (
                    event.position,
                    leg,
                    event.at.isoformat(),
                    event.recorded_at.isoformat(),
                    event.fact.NAME,
                    event.stream_id,
                    event.version,
                    event.by,
                    entry.text if entry else "",
                    posting.account,
                    posting.currency,
                    Money(posting.minor, posting.currency).text(),
                    posting.minor,
                )
            )


def raw_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Write the rows as they are stored, a JSON object on each line: `docs/log-format.md`."""
    for row in rows:
        told = {
            "position": row.position,
            "stream": str(row.stream),
            "version": row.version,
            "recorded_us": row.recorded_us,
            "name": row.name,
            "state": b64encode(row.state).decode(),
            "digest": row.digest.hex(),
        }
        yield json.dumps(told, separators=(",", ":")) + "\n"


def _declarations(entry: Entry, declared: set[str]) -> Iterator[str]:
    """Declare accounts and commodities where they are first met."""
    for posting in entry.postings:
        if posting.account not in declared:
            declared.add(posting.account)
            yield f"account {posting.account}\n"
        if posting.currency not in declared:
            declared.add(posting.currency)
            yield f"commodity {_sample(posting.currency)}\n"


def _sample(currency: str) -> str:
    """Show how the commodity is written: its decimals, and a decimal mark even without any."""
    number = Money.zero(currency).text()
    return f"{number if '.' in number else number + '.'} {_commodity(currency)}"


def _transaction(event: Event, entry: Entry) -> str:
    recorded, fact = event.recorded_at.isoformat(), event.fact.NAME
    lines = [
        f"\n{event.at.date()} ({event.position}) {_NOT_IN_TEXT.sub(' ', entry.text)}",
        f"    ; recorded:{recorded}, fact:{fact}, stream:{event.stream_id}",
    ]
    for posting in entry.postings:
        amount = Money(posting.minor, posting.currency).text()
        lines.append(f"    {posting.account}  {amount} {_commodity(posting.currency)}")
    return "\n".join(lines) + "\n"


def _commodity(currency: str) -> str:
    return currency if _PLAIN_COMMODITY.fullmatch(currency) else f'"{currency}"'


def _csv_line(fields: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(fields)
    return line.getvalue()
