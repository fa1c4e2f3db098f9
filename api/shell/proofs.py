"""Proofs: the log verifies, the read models are what it says, and rebuilding gives the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from api import vocabulary
from api.shell.opening import books_at, log_of, reading
from clients.client import CLIENT
from clients.trading_account import TRADING_ACCOUNT
from compliance.kyc import KYC
from ledger.ids import EntityId
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
from projections.log import head
from projections.replay import replay as replayed

if TYPE_CHECKING:
    from uuid import UUID

    from api.settings import Settings
    from api.shell.output import Output

KINDS = (
    *(CLIENT, TRADING_ACCOUNT, KYC, WALLET, DEPOSIT, WITHDRAWAL, PAYOUT, DISPUTE),
    *(CONVERSION, QUOTE, NOTICE, LINK),
)
"""The kinds of streams that snapshots may be taken of."""


def verify(settings: Settings, out: Output) -> int:
    """Verify chain, entries, read models, snapshots and the record of access; 1: not all hold."""
    with reading(settings) as connection, out.progress("verifying") as tell:
        newest = head(connection)
        entity = EntityId(settings.entity)
        report = audit.verify(
            connection, vocabulary.BOOK, entity, lambda position: tell(position, newest)
        )
    with books_at(settings) as database:
        with log_of(settings, database, "log") as book:
            snapshots = _snapshots(book.wrong_snapshots(KINDS))
        with log_of(settings, database, "access") as access:
            seen = access.verify()
    problem = seen.problem
    record = audit.Check(
        "the record of access verifies",
        held=problem is None,
        detail=f"{seen.position} records" if problem is None else problem.words,
        position=None if problem is None else problem.position,
    )
    checks = (*report.checks, snapshots, record)
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


def _snapshots(wrong: list[tuple[UUID, int]]) -> audit.Check:
    detail = "none wrong" if not wrong else f"stream {wrong[0][0]} at version {wrong[0][1]}"
    return audit.Check("snapshots equal the fold", held=not wrong, detail=detail)
