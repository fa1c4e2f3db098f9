"""`counterfoil doctor`: log in to everything that the settings name, and say what is amiss."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import psycopg

from adapters.database.errors import DatabaseUnavailable
from adapters.secrets.port import SecretsError
from api.doctor.check import Check, bad
from api.doctor.database import look_at_database, reached
from api.doctor.machine import look_at_machine
from api.doctor.providers import look_at_issuer, look_at_providers
from api.doctor.vault import look_at_secrets
from api.house.bootstrap import wall_clock
from api.house.secret_sources import keeper_of
from api.house.settings import SettingsRefused
from api.records.access_log import AccessLog
from api.records.outgoing import Calls
from api.shell.authz import references
from api.shell.opening import log_of
from api.shell.recorded import record_command
from ledger.errors import LogUnreachable, LogUnreadable, OutcomeUnknown, Refusal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    from adapters.database.roles import Database
    from adapters.secrets.keeper import Keeper
    from api.house.settings import Settings
    from api.shell.output import Output

_UNRECORDED = (Refusal, OutcomeUnknown, LogUnreachable, LogUnreadable, psycopg.Error)


def add_doctor(
    command: Callable[..., argparse.ArgumentParser],
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    command(commands, "doctor", _doctor, "log in everywhere, and say what is missing or too much")


def _doctor(_: argparse.Namespace, settings: Settings, out: Output) -> int:
    return doctor(settings, out)


def doctor(settings: Settings, out: Output, environ: Mapping[str, str] = os.environ) -> int:
    """Look at everything; exit code 1 where anything is not as it should be."""
    found: list[Check] = []
    with contextlib.closing(keeper_of(settings, environ)) as secrets:
        for check in looks(settings, secrets, environ):
            found.append(check)
            out.check(check.name, check.detail, held=check.held)
            if check.todo:
                out.say(f"    {check.todo}")
    wrong = sum(not check.held for check in found)
    out.data({"held": not wrong, "checks": [check._asdict() for check in found]})
    out.say(f"{len(found)} checks, {wrong} to be seen to")
    return int(wrong > 0)


def looks(settings: Settings, secrets: Keeper, environ: Mapping[str, str]) -> Iterator[Check]:
    """Look at everything, the database first: what we ask of others is recorded there."""
    named = [reference for _, reference in references(settings)]
    yield from look_at_secrets(settings, secrets, named, environ)
    yield from look_at_issuer(settings)
    dsn = None
    with contextlib.ExitStack() as open_:
        try:
            database = open_.enter_context(reached(settings, secrets, environ))
        except (DatabaseUnavailable, SettingsRefused, SecretsError, psycopg.Error) as trouble:
            words = type(trouble).__name__ if isinstance(trouble, psycopg.Error) else str(trouble)
            yield bad("database", words, "see that it runs, and that its address is right")
            yield from _unasked(settings)
        else:
            dsn = database.admin_dsn
            yield from look_at_database(database, settings)
            yield from _providers(settings, secrets, database)
    yield from look_at_machine(settings, dsn)


def _providers(settings: Settings, secrets: Keeper, database: Database) -> Iterator[Check]:
    """Ask the providers, once it is recorded that we do."""
    with contextlib.ExitStack() as open_:
        try:
            log = open_.enter_context(log_of(settings, database, "access"))
            record_command(log)
        except _UNRECORDED:
            yield from _unasked(settings)
            return
        calls = Calls(AccessLog(log, by="service:doctor"), wall_clock)
        yield from look_at_providers(settings, secrets, calls)


def _unasked(settings: Settings) -> Iterator[Check]:
    for merchant in settings.merchants:
        yield bad(
            f"provider: {merchant.provider}/{merchant.name}",
            "not asked: the access log cannot be written",
            "see to the database first",
        )
