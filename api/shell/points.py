"""The books at a point of the log, and between two: `replay --to` and `diff`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from api.house import vocabulary
from api.house.settings import SettingsRefused
from api.shell.books import moment
from api.shell.opening import reading
from ledger.chart import kind_of
from ledger.errors import InvalidInput
from ledger.money import Money
from projections.balances import normal_side
from projections.points import at_position, at_time, difference, state_at

if TYPE_CHECKING:
    from psycopg import Connection

    from api.house.settings import Settings
    from api.shell.output import Output
    from projections.points import Moved, Point

_POSITION: Final = re.compile(r"-?[0-9]+")


def replay_to(settings: Settings, out: Output, to: str, *, effective: bool) -> int:
    """Show what every account held at a point; the log is folded, the read models not asked."""
    with (
        reading(settings, folded=False) as connection,
        out.progress("replaying") as tell,
    ):
        point = point_of(connection, to, effective=effective)
        state = state_at(connection, vocabulary.BOOK, point, tell)
    balances = [
        {
            "account": account,
            "currency": currency,
            "minor": minor,
            "amount": Money(minor, currency).text(),
        }
        for (account, currency), minor in state.balances.items()
    ]
    out.data({"point": point, "balances": balances})
    out.table(
        ("account", "currency", "debit", "credit"),
        [
            (account, currency, *_sides(minor, currency))
            for (account, currency), minor in state.balances.items()
        ],
        numbers=2,
    )
    out.say(f"{len(balances)} balances {_words(point)}")
    return 0


def diff(
    settings: Settings, out: Output, earlier: str, later: str, *, effective: bool, last: int
) -> int:
    """Show what changed between two points, by account, with the events that changed it."""
    with (
        reading(settings, folded=False) as connection,
        out.progress("replaying") as tell,
    ):
        first = point_of(connection, earlier, effective=effective)
        second = point_of(connection, later, effective=effective)
        found = difference(connection, vocabulary.BOOK, first, second, last=last, tell=tell)
    out.data({"earlier": first, "later": second, "accounts": [_told(m) for m in found.accounts]})
    for moved in found.accounts:
        _tell(out, moved)
    out.say(f"{len(found.accounts)} balances moved between {_words(first)} and {_words(second)}")
    return 0


def point_of(connection: Connection[Any], text: str, *, effective: bool) -> Point:
    """Read a point of the command line: a position, or a time.

    Raises:
        InvalidInput: it is neither (`point_unreadable`), the log does not reach it
            (`point_beyond_head`), or a position is asked for by effective time (`points_mixed`).
    """
    if _POSITION.fullmatch(text):
        if effective:
            words = "a position is no effective time: name two times, or leave --effective out"
            raise InvalidInput(words, code="points_mixed")
        return at_position(connection, int(text))
    try:
        when = moment(text)
    except SettingsRefused:
        when = None
    if when is None:
        words = f"{text!r} is no point: write a position, or a time like 2026-10-30T16:00:00Z"
        raise InvalidInput(words, code="point_unreadable")
    return at_time(connection, when, effective=effective)


def _told(moved: Moved) -> dict[str, Any]:
    money = {
        name: Money(minor, moved.currency).text()
        for name, minor in (
            ("before_amount", moved.before),
            ("moved_amount", moved.minor),
            ("after_amount", moved.after),
        )
    }
    return {
        "account": moved.account,
        "currency": moved.currency,
        "before": moved.before,
        "moved": moved.minor,
        "after": moved.after,
        **money,
        "events": moved.events,
        "changes": moved.changes,
    }


def _tell(out: Output, moved: Moved) -> None:
    kind = kind_of(moved.account).name

    def shown(minor: int) -> str:
        return Money(normal_side(minor, kind), moved.currency).text()

    out.say(f"\n{moved.account} {moved.currency}: {shown(moved.before)} → {shown(moved.after)}")
    if moved.events > len(moved.changes):
        out.say(f"  {moved.events - len(moved.changes)} earlier events, and then")
    for change in moved.changes:
        out.say(
            f"  {change.effective_at:%Y-%m-%d %H:%M:%S}  {shown(change.minor)}  {change.text}"
            f"  (position {change.position}, {change.fact}, by {change.by})"
        )


def _sides(minor: int, currency: str) -> tuple[str, str]:
    shown = Money(abs(minor), currency).text()
    return (shown, "") if minor > 0 else ("", shown)


def _words(point: Point) -> str:
    if point.effective is None:
        return f"at position {point.position}"
    return f"effective until {point.effective.isoformat()} as known at position {point.position}"
