"""Proofs: the log verifies, the read models are what it says, and rebuilding gives the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from api.house import vocabulary
from api.shell.evidence import checkpoint_check
from api.shell.opening import books_at, log_of
from api.shell.recorded import record_command
from clients.client import CLIENT
from clients.trading_account import TRADING_ACCOUNT
from compliance.kyc import KYC
from ledger.ids import EntityId
from ledger.store.chain import genesis
from ledger.store.tables import LOGS
from ledger.store.verify import verify as verify_rows
from ledger.wallet import WALLET
from payments.conversion import CONVERSION
from payments.deposit import DEPOSIT
from payments.dispute import DISPUTE
from payments.inbox import NOTICE
from payments.link import LINK
from payments.payout import PAYOUT
from payments.quotes import QUOTE
from payments.withdrawal import WITHDRAWAL
from projections import audit
from projections.log import head, stored_rows
from projections.replay import replay as replayed
from projections.runner import Runner

if TYPE_CHECKING:
    from uuid import UUID

    from psycopg import Connection

    from adapters.database.roles import Database
    from api.house.settings import Settings
    from api.shell.output import Output

KINDS = (
    *(CLIENT, TRADING_ACCOUNT, KYC, WALLET, DEPOSIT, WITHDRAWAL, PAYOUT, DISPUTE),
    *(CONVERSION, QUOTE, NOTICE, LINK),
)
"""The kinds of streams that snapshots may be taken of."""


def verify(settings: Settings, out: Output) -> int:
    """Verify chains, entries, checkpoints, read models and snapshots; 1: not all hold."""
    entity = EntityId(settings.entity)
    with books_at(settings, recorded=False) as database:
        folding = _folding(database)
        with (
            psycopg.connect(database.dsn("audit_reader"), autocommit=True) as connection,
            out.progress("verifying") as tell,
        ):
            newest = head(connection)
            report = audit.verify(
                connection, vocabulary.BOOK, entity, lambda position: tell(position, newest)
            )
            checks = [
                *report.checks,
                *folding,
                checkpoint_check(settings, connection, "log"),
                _record(connection, entity),
                checkpoint_check(settings, connection, "access"),
            ]
        if all(check.position is None for check in checks):
            # Opening a book that is not sound could write to it.
            with log_of(settings, database, "log") as book:
                checks.append(_snapshots(book.wrong_snapshots(KINDS)))
            with log_of(settings, database, "access") as access:
                record_command(access)
    held = all(check.held for check in checks)
    out.data(msgspec.to_builtins(report) | {"checks": checks, "held": held})
    for check in checks:
        out.check(check.name, check.detail, held=check.held)
    out.say(f"digest at {report.head}: {report.digest}")
    return 0 if held else 1


def replay(settings: Settings, out: Output, *, adopt: bool) -> int:
    """Fold every read model anew from the log and compare; 1 where a live row is another."""
    with books_at(settings) as database, out.progress("replaying") as tell:
        report = replayed(database.dsn("projector"), vocabulary.BOOK, adopt=adopt, tell=tell)
    out.data(msgspec.to_builtins(report) | {"equal": report.equal})
    for table in report.tables:
        differs = f"; live {table.only_live}, the log says {table.only_rebuilt}"
        out.check(
            table.name, f"{table.rows} rows{'' if table.equal else differs}", held=table.equal
        )
    out.say(f"replayed to position {report.position}{', adopted' if report.adopted else ''}")
    return 0 if report.equal else 1


def _folding(database: Database) -> list[audit.Check]:
    """Bring the read models to the head; a forged row may break any assumption of theirs."""
    try:
        Runner(database.dsn("projector"), vocabulary.BOOK).catch_up()
    except Exception as error:  # the audit names the row, this the consequence
        return [audit.Check("the log can be folded", held=False, detail=str(error))]
    return []


def _record(connection: Connection[Any], entity: EntityId) -> audit.Check:
    log = LOGS["access"]
    rows = stored_rows(connection, log)
    seen = verify_rows(rows, genesis(log.name, entity), entity, vocabulary.ACCESS)
    problem = seen.problem
    return audit.Check(
        "the record of access verifies",
        held=problem is None,
        detail=f"{seen.position} records" if problem is None else problem.words,
        position=None if problem is None else problem.position,
    )


def _snapshots(wrong: list[tuple[UUID, int]]) -> audit.Check:
    detail = "none wrong" if not wrong else f"stream {wrong[0][0]} at version {wrong[0][1]}"
    return audit.Check("snapshots equal the fold", held=not wrong, detail=detail)
