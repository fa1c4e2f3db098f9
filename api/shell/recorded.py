"""Commands that open the books stand in the access log before they show anything.

The opening records, not the command: one that is added tomorrow cannot forget it. What a command
is not listed with here, it is recorded with as if it read everything of everybody.
"""

from __future__ import annotations

import os
import pwd
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from api.house.settings import SettingsRefused
from api.records.access_log import AccessLog
from api.records.access_record import AccessRecord, Named
from api.records.access_words import EVERYTHING, Action, Fields, Outcome
from ledger.access import EVERYONE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from ledger.book import AnyBook

IDENTITY: Final = "COUNTERFOIL_IDENTITY"
"""Who types, where the machine's users are not people: `person:NAME` or `service:NAME`."""
TARGET_CHARS_MAX: Final = 200

_IDENTITY: Final = re.compile(r"(person|service):[A-Za-z0-9._-]{1,64}")
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ACCOUNT: Final = re.compile(r"(?:[a-z0-9-]+:)?client:[a-z-]+:[0-9a-f-]{36}")
_UNTOLD: Final = frozenset(
    {"run", "typed", "json", "config", "home", "out", "file", "host", "port", "entity"}
)
"""Where files lie and how to show them is nobody's data."""


class Does(NamedTuple):
    """What a command does: with which classes of data, and whether it sees all of them at once."""

    fields: tuple[Fields, ...]
    action: Action = Action.READ
    of_everyone: bool = True


OF_COMMAND: Final[Mapping[str, Does]] = {
    "token": Does((), Action.CHANGE, of_everyone=False),
    "trial-balance": Does((Fields.BALANCES,)),
    "explain": Does((Fields.BALANCES, Fields.MOVEMENTS, Fields.RATES)),
    "replay": Does(EVERYTHING),
    "diff": Does((Fields.BALANCES, Fields.MOVEMENTS)),
    "verify": Does(EVERYTHING),
    "prove": Does((), of_everyone=False),
    "prove-growth": Does((), of_everyone=False),
    "export": Does(EVERYTHING),
    "events tail": Does(EVERYTHING),
    "import": Does((Fields.BALANCES, Fields.MOVEMENTS), Action.CHANGE),
    "access": Does((Fields.ACCESS,)),
    "doctor": Does((), of_everyone=False),
    "secrets": Does((), Action.CHANGE, of_everyone=False),
}


class Typed(NamedTuple):
    """A command as it was typed: its name, and what it was given."""

    name: str
    given: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, name: str, asked: argparse.Namespace) -> Typed:
        """Read what the command line says; files and addresses are left out."""
        given = {key: value for key, value in vars(asked).items() if key not in _UNTOLD}
        return cls(name, tuple((key, str(value)) for key, value in given.items() if value))


TYPED: Final[ContextVar[Typed]] = ContextVar("counterfoil_typed", default=Typed("unnamed"))  # noqa: B039
"""The command that runs; whoever opens the books without one reads everything."""


def record_command(log: AnyBook, environ: Mapping[str, str] = os.environ) -> None:
    """Record, durably, that the command reads or changes the books.

    Raises:
        SettingsRefused: `COUNTERFOIL_IDENTITY` names nobody.
        Refusal, OutcomeUnknown, LogUnreadable: it is not recorded: the command must fail.
    """
    AccessLog(log, by=_user()).write_now(record_of(TYPED.get(), _subject(environ)))


def record_change(
    log: AnyBook, did: str, things: set[str], environ: Mapping[str, str] = os.environ
) -> None:
    """Record what a command has changed that is no account data.

    Args:
        log: the access log.
        did: fixed words.
        things: what was changed, by name; never a value.
        environ: may name who types.
    """
    record = AccessRecord(
        at=datetime.now(UTC),
        subject=_subject(environ),
        action=Action.CHANGE,
        outcome=Outcome.GRANTED,
        did=(did,),
        things=Named.of(things),
        route=f"counterfoil {TYPED.get().name}",
    )
    AccessLog(log, by=_user()).write_now(record)


def record_of(typed: Typed, subject: str) -> AccessRecord:
    """Write a command as an access record. It is told before it runs: it has only begun."""
    does = OF_COMMAND.get(typed.name, Does(EVERYTHING))
    target = " ".join(f"{name}={value}" for name, value in typed.given)
    clean = "".join(c if c.isprintable() else "?" for c in target)
    named = set(_ID.findall(clean))
    everyone = {EVERYONE} if does.of_everyone and not named else set()
    return AccessRecord(
        at=datetime.now(UTC),
        subject=subject,
        action=does.action,
        outcome=Outcome.BEGUN,
        did=(f"typed {typed.name}",),
        fields=does.fields,
        clients=Named.of(named | everyone),
        accounts=Named.of(set(_ACCOUNT.findall(clean))),
        route=f"counterfoil {typed.name}",
        target=clean[:TARGET_CHARS_MAX],
    )


def _user() -> str:
    """Name the operating system's user: it cannot be chosen by a variable."""
    number = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"cli:{number}"


def _subject(environ: Mapping[str, str]) -> str:
    named = environ.get(IDENTITY)
    if not named:
        return _user()
    if not _IDENTITY.fullmatch(named):
        raise SettingsRefused(f"{IDENTITY} is person:NAME or service:NAME")
    return named
