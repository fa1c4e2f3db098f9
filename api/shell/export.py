"""The log on its way out: as a journal, as CSV, or as it happens."""

from __future__ import annotations

import contextlib
from datetime import UTC
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from api import vocabulary
from api.settings import SettingsRefused
from api.shell.opening import books_at, log_of, reading
from projections import export as exports
from projections.log import head, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from api.settings import Settings
    from api.shell.output import Output
    from ledger.decision import Event

FORMATS: Final[dict[str, Callable[[Iterable[Event]], Iterator[str]]]] = {
    "hledger": exports.hledger,
    "csv": exports.csv_lines,
}
FOLLOW_S: Final = 1.0
LINES_MAX: Final = 1_000


def export(settings: Settings, out: Output, form: str, path: str | None) -> int:
    """Write the whole log in a form that other programs read."""
    if out.json and path is None:
        raise SettingsRefused("an export to the terminal is no JSON: name a file with --out")
    with reading(settings, folded=False) as connection, out.progress("exporting") as tell:
        newest = head(connection)
        events = _told(chain.from_iterable(walk(connection, vocabulary.BOOK)), tell, newest)
        if path is None:
            for piece in FORMATS[form](events):
                out.raw(piece)
            return 0
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines(FORMATS[form](events))
    out.data({"format": form, "out": path, "position": newest})
    out.say(f"{newest} events are in {path}")
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


def _told(
    events: Iterable[Event], tell: Callable[[int, int], None], newest: int
) -> Iterator[Event]:
    for event in events:
        tell(event.position, newest)
        yield event


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
