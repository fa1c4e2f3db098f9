"""The log on its way out: as a journal, as CSV, row by row, or as it happens."""

from __future__ import annotations

import contextlib
from datetime import UTC
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from api.house import vocabulary
from api.house.settings import SettingsRefused
from api.shell.opening import books_at, log_of, reading
from ledger.store.tables import LOGS
from projections import export as exports
from projections.beancount import beancount
from projections.log import LOG, head, stored_rows, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from api.house.settings import Settings
    from api.shell.output import Output
    from ledger.decision import Event
    from ledger.store.chain import Row

P = TypeVar("P", bound="Event | Row")

FORMATS: Final[dict[str, Callable[[Iterable[Event]], Iterator[str]]]] = {
    "hledger": exports.hledger,
    "beancount": beancount,
    "csv": exports.csv_lines,
}
RAW: Final = "raw"
FOLLOW_S: Final = 1.0
LINES_MAX: Final = 1_000


def export(
    settings: Settings, out: Output, form: str, path: str | None, *, log: str = LOG.name
) -> int:
    """Write the whole log in a form that other programs read; the record of access only raw."""
    if out.json and path is None:
        raise SettingsRefused("an export to the terminal is no JSON: name a file with --out")
    if form != RAW and log != LOG.name:
        raise SettingsRefused(f"the record of access holds no entries: export it as {RAW}")
    with reading(settings, folded=False) as connection, out.progress("exporting") as tell:
        reached = Reached(tell, head(connection))
        if form == RAW:
            pieces = exports.raw_lines(reached.by(stored_rows(connection, LOGS[log])))
        else:
            events = chain.from_iterable(walk(connection, vocabulary.BOOK))
            pieces = FORMATS[form](reached.by(events))
        if path is None:
            for piece in pieces:
                out.raw(piece)
            return 0
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    out.data({"format": form, "out": path, "position": reached.position})
    out.say(f"{reached.position} events are in {path}")
    return 0


def tail(settings: Settings, out: Output, *, after: int | None, follow: bool) -> int:
    """Show events as they are recorded, from a position on or the last few; until interrupted."""
    with books_at(settings) as database, log_of(settings, database, "log") as book:
        position = max(0, book.head() - 20) if after is None else after
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                events = book.events_after(position, LINES_MAX)
                for event in events:
                    _show(out, event)
                    position = event.position
                if not events and not follow:
                    break
                if not events:
                    book.wait(position + 1, FOLLOW_S)
    return 0


class Reached:
    """Remembers how far an export is, and tells of it."""

    def __init__(self, tell: Callable[[int, int], None], newest: int) -> None:
        self.position = 0
        self._tell, self._newest = tell, newest

    def by(self, positioned: Iterable[P]) -> Iterator[P]:
        """Pass on what comes by."""
        for each in positioned:
            self.position = each.position
            self._tell(each.position, self._newest)
            yield each


def _show(out: Output, event: Event) -> None:
    line: dict[str, Any] = {
        "position": event.position,
        "at": event.at.astimezone(UTC),
        "name": event.fact.NAME,
        "by": event.by,
        "why": event.why,
        "stream": event.stream_id,
        "version": event.version,
        "data": event.fact,
    }
    out.data(line)
    told = msgspec.json.encode(event.fact).decode()
    out.say(f"{event.position:>8}  {event.at:%Y-%m-%d %H:%M:%S}  {event.fact.NAME}  {told}")
