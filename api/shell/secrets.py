"""`counterfoil secrets`: which are due, and another in the place of one. A value is never shown."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from typing import TYPE_CHECKING, Final

from adapters.secrets.port import Secret
from api.house import rotation
from api.house.bootstrap import wall_clock
from api.house.rotation import Made
from api.house.secret_sources import keeper_of
from api.shell.opening import books_at, log_of
from api.shell.recorded import record_change

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from adapters.secrets.keeper import Keeper
    from api.house.settings import Settings
    from api.shell.output import Output

VALUE_CHARS_MAX: Final = 4_096


def show_status(settings: Settings, out: Output) -> int:
    """List every secret with its age; 1 where one is overdue or cannot be read."""
    now = wall_clock()
    with contextlib.closing(keeper_of(settings, os.environ)) as secrets:
        found = [rotation.status(held, secrets) for held in rotation.inventory(settings)]
    out.data(
        [
            {
                "secret": each.held.name,
                "reference": str(each.held.reference),
                "version": each.version,
                "active": each.active,
                "since": each.since,
                "due": each.due,
                "overdue": each.overdue(now),
                "retire_from": each.retire_from(),
                "made": each.held.kind.made.value,
                "trouble": each.trouble,
            }
            for each in found
        ]
    )
    out.table(
        ("secret", "where", "version", "age", "due"),
        [_row(each, now) for each in found],
    )
    for each in found:
        if (then := each.retire_from()) is not None:
            out.say(f"{each.held.name}: two are active; retire the older one from {then:%F %R}")
    return int(any(each.trouble or each.overdue(now) for each in found))


def rotate(settings: Settings, out: Output, name: str) -> int:
    """Put a new value in place. One that the other side made is read from standard input."""
    held = rotation.named(settings, name)
    value = _typed(held.name) if held.kind.made is Made.THERE else None
    return _change(
        settings, out, held, "rotated secret", lambda keeper: rotation.rotate(held, keeper, value)
    )


def retire(settings: Settings, out: Output, name: str) -> int:
    """Let the older of two active values go."""
    held = rotation.named(settings, name)
    return _change(
        settings, out, held, "retired secret", lambda keeper: rotation.retire(held, keeper)
    )


def _change(
    settings: Settings,
    out: Output,
    held: rotation.Held,
    did: str,
    change: Callable[[Keeper], int | None],
) -> int:
    """Change a secret between two records: that it was begun, and which version came of it."""
    with (
        books_at(settings) as database,
        log_of(settings, database, "access") as access,
        contextlib.closing(keeper_of(settings, os.environ, rotating=True)) as secrets,
    ):
        version = change(secrets)
        record_change(access, did, {held.name, f"{held.reference} version {version}"})
    told = {"secret": held.name, "reference": str(held.reference), "version": version}
    out.data({"did": did} | told)
    out.say(f"{did}: {held.name}, {held.reference}, version {version or 'not counted'}")
    return 0


def _typed(name: str) -> Secret:
    """Read a new value: never from the command line, which other users can see."""
    if sys.stdin.isatty():
        return Secret(getpass.getpass(f"new value of {name}: "))
    return Secret(sys.stdin.readline(VALUE_CHARS_MAX).rstrip("\n"))


def _row(each: rotation.Status, now: datetime) -> tuple[str, ...]:
    age = "" if each.since is None else f"{(now - each.since).days} days"
    version = "" if each.version is None else str(each.version)
    due = "not known" if each.due is None else f"{each.due:%F}"
    if each.overdue(now):
        due += " OVERDUE"
    return each.held.name, str(each.held.reference), version, age, each.trouble or due
