"""Who looked at whose data: told at the terminal, or exported with proofs for a regulator."""

from __future__ import annotations

import base64
import contextlib
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from api.house import vocabulary
from api.house.checkpoint_keys import trusted_keys
from api.house.checkpointer import kept_in, store_of
from api.house.settings import SettingsRefused
from api.shell.books import moment
from api.shell.inclusion import proofs
from api.shell.opening import books_at
from ledger.checkpoints import LogDiffers, origin, verifier_key
from ledger.ids import EntityId
from ledger.store.chain import genesis
from ledger.store.dial import dial
from ledger.store.tables import LOGS
from projections.access import Access, IndexRunner, accesses
from projections.digests import digests
from projections.log import stored_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from psycopg import Connection

    from api.house.settings import Settings
    from api.shell.output import Output
    from ledger.store.chain import Row

LOG: Final = LOGS["access"]
PAGE: Final = 500
FORMULA: Final = frozenset("=+-@\t\r")
COLUMNS: Final = (
    *("position", "at", "recorded_at", "subject", "service", "role", "scope", "action"),
    *("outcome", "did", "fields", "clients", "accounts", "things", "route", "target"),
    *("status", "reason", "count", "request_id", "digest"),
)


class Question(NamedTuple):
    """Which records."""

    client: UUID | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def read(
        cls, client: UUID | None, subject: str | None, since: str | None, until: str | None
    ) -> Question:
        """Read the words of the command line.

        Raises:
            SettingsRefused: a time is none.
        """
        return cls(client, subject, moment(since), moment(until))


def show_access(settings: Settings, out: Output, question: Question) -> int:
    """Tell who did what, in order."""
    with _reading(settings) as connection:
        for each in _found(connection, question):
            out.data(_told(each))
            out.say(_line(each))
    return 0


def export_access(settings: Settings, out: Output, question: Question, path: str | None) -> int:
    """Write records, each with the proof that it stands in the log that was checkpointed.

    `FILE.jsonl` begins with the newest checkpoint and the keys, then a row a line, as
    docs/access-log.md has it; `FILE.csv` says the same for people, without the proofs.

    Raises:
        LogDiffers: the access log is shorter than its newest checkpoint says.
    """
    if path is None:
        raise SettingsRefused("an export goes to a file: name it with --out")
    name = origin(EntityId(settings.entity), LOG.name)
    size, note = _newest(settings, name)
    keys = [verifier_key(name, key.public) for key in trusted_keys(settings)]
    with _reading(settings) as connection, connection.transaction():
        found = {each.position: each for each in _found(connection, question)}
        covered = [position - 1 for position in found if position <= size]
        try:
            proven = proofs(covered, size, digests(connection, LOG)) if size else {}
        except ValueError as error:
            raise LogDiffers(f"the access log is shorter than its checkpoint: {error}") from error
        lines = [
            json.dumps(line) + "\n"
            for line in _rows(connection, EntityId(settings.entity), found, proven)
        ]
    head = {"origin": name, "checkpoint": note, "keys": keys, "records": len(found)}
    Path(f"{path}.jsonl").write_text(json.dumps(head) + "\n" + "".join(lines), "utf-8")
    with Path(f"{path}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(_flat(_told(each)) for each in found.values())
    told = {"out": path, "records": len(found), "covered": len(covered), "checkpoint": size}
    out.data(told)
    out.say(f"{len(found)} records are in {path}.jsonl and {path}.csv")
    out.say(f"{len(covered)} of them are proven against the checkpoint of {size}")
    return 0


@contextlib.contextmanager
def _reading(settings: Settings) -> Iterator[Connection[Any]]:
    with books_at(settings) as database:
        # The question stands in the log itself by now, and is among the answers.
        IndexRunner(database.dsn("projector"), vocabulary.ACCESS).catch_up()
        with dial(database.dsn("audit_reader")) as connection:
            yield connection


def _found(connection: Connection[Any], question: Question) -> Iterator[Access]:
    after: int | None = 0
    while after is not None:
        page = accesses(
            connection,
            vocabulary.ACCESS,
            client=question.client,
            subject=question.subject,
            since=question.since,
            until=question.until,
            after=after,
            limit=PAGE,
        )
        yield from page.rows
        after = page.next


def _newest(settings: Settings, name: str) -> tuple[int, str]:
    """Read the newest checkpoint of ours: its size, and its signed note."""
    store = store_of(settings, LOG.name)
    sizes = [each.size for each in kept_in(store, name, *trusted_keys(settings)).checkpoints]
    newest = max(sizes, default=0)
    return newest, dict(store.kept())[newest].decode() if newest else ""


def _rows(
    connection: Connection[Any],
    entity: EntityId,
    found: dict[int, Access],
    proven: dict[int, list[bytes]],
) -> Iterator[dict[str, Any]]:
    """Write the stored rows: every digest covers the one before it, so that stands there too."""
    before = genesis(LOG.name, entity).digest
    for row in stored_rows(connection, LOG):
        if row.position in found:
            yield _row(row, before, proven.get(row.position - 1))
        before = row.digest


def _row(row: Row, before: bytes, proof: list[bytes] | None) -> dict[str, Any]:
    return {
        "position": row.position,
        "stream": str(row.stream),
        "version": row.version,
        "recorded_us": row.recorded_us,
        "name": row.name,
        "state": base64.b64encode(row.state).decode(),
        "before": before.hex(),
        "digest": row.digest.hex(),
        "proof": None if proof is None else [node.hex() for node in proof],
    }


def _told(each: Access) -> dict[str, Any]:
    fact = each.fact
    named = {column: getattr(fact, column) for column in COLUMNS if hasattr(fact, column)}
    return {
        **named,
        "position": each.position,
        "at": each.at.isoformat(),
        "recorded_at": each.recorded_at.isoformat(),
        "service": each.by,
        "digest": each.digest.hex(),
    }


def _flat(told: dict[str, Any]) -> dict[str, str]:
    """Write lists into one cell; no cell begins as a formula does."""
    cells = {
        name: " ".join(value) if isinstance(value, tuple) else str(value)
        for name, value in told.items()
    }
    return {name: f"'{cell}" if cell[:1] in FORMULA else cell for name, cell in cells.items()}


def _line(each: Access) -> str:
    fact = each.fact
    whose = ", ".join((*fact.clients, *fact.things)) or fact.target or "-"
    times = f" ×{fact.count}" if fact.count > 1 else ""
    what = ", ".join(fact.did) or f"{fact.method} {fact.route}"
    who = fact.subject or "nobody believed"
    return (
        f"{each.position:>8}  {each.at:%Y-%m-%d %H:%M:%S}  {who}  "
        f"{fact.outcome}{times}  {what}  {whose}"
    )
