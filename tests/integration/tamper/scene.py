"""A small book with checkpoints, an attacker who is the database's superuser, and two verifiers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from api.cli import main
from api.house.checkpoint_keys import signer_of
from api.house.checkpointer import Checkpointer, store_of
from api.house.settings import CheckpointSettings, Settings
from ledger.checkpoints import verifier_key
from ledger.store.chain import Row, digest, genesis
from ledger.store.rows import COPY_HEADER, COPY_IN, COPY_TRAILER, pack
from projections.log import LOG
from tests.integration.projections.house import StoredHouse
from tests.unit.projections.house import ENTITY

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from adapters.database.roles import Database

TOOL = Path(__file__).resolve().parents[3] / "tools" / "verify_log.py"
ORIGIN = f"counterfoil/{ENTITY}/log"
EVERY = 5
NAMED = re.compile(r"BAD position (\d+): (.*)")


class Verdict(NamedTuple):
    """What a verifier said: the row it named, 0 where it named none, and its words."""

    held: bool
    position: int
    words: str


class Scene:
    """Plays a day, lets the attacker change the log, and asks both verifiers."""

    def __init__(self, database: Database, home: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.house = StoredHouse(database)
        self.database, self.home, self._capture = database, home, capture
        self.settings = Settings(
            entity=ENTITY, home=home, checkpoints=CheckpointSettings(events=EVERY, seconds=86_400)
        )

    @property
    def rows(self) -> list[Row]:
        return self.house.book.rows

    @property
    def folder(self) -> Path:
        return self.home / "checkpoints" / ENTITY / "log"

    def a_day(self) -> None:
        """Two clients, deposits in two currencies, some of them with a cause."""
        first, second = self.house.register(1, "USD"), self.house.register(2)
        for number in range(4):
            self.house.deposit(number, first, 100_000 + number, "EUR", "USD", why=1)
            self.house.credit(second, 5_000)
        self.house.write()

    def checkpointer(self) -> Checkpointer:
        dsn = self.database.dsn("audit_reader")
        store, signer = store_of(self.settings, LOG.name), signer_of(self.settings)
        return Checkpointer(dsn, LOG, ENTITY, store, signer, self.settings.checkpoints)

    def checkpoint(self) -> None:
        """Write the checkpoints that were due on the way here, and one of the head."""
        with psycopg.connect(self.database.dsn("audit_reader"), autocommit=True) as connection:
            self.checkpointer().follow(connection, closing=True)

    def sizes(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.checkpoint"))

    def attack(self, change: Callable[[list[Row]], list[Row]]) -> None:
        """Put other rows in the place of the log's, as the superuser can, triggers or not."""
        with psycopg.connect(self.database.admin_dsn) as connection:
            connection.execute("ALTER TABLE book.log DISABLE TRIGGER ALL")
            connection.execute("DELETE FROM book.log")
            with connection.cursor().copy(LOG.sql(COPY_IN)) as copy:
                copy.write(COPY_HEADER + pack(change(list(self.rows))) + COPY_TRAILER)
            connection.execute("ALTER TABLE book.log ENABLE ALWAYS TRIGGER append_only")

    def type(self, *words: str) -> tuple[int, str]:
        """Type a command: its exit code, and what it wrote or complained of."""
        self._capture.readouterr()
        code = main([*words, "--home", str(self.home), "--entity", ENTITY])
        told = self._capture.readouterr()
        return code, told.out or told.err

    def ask(self, *words: str) -> tuple[int, Any]:
        code, out = self.type(*words, "--json")
        return code, json.loads(out)

    def counterfoil(self) -> Verdict:
        """Ask `counterfoil verify`."""
        code, report = self.ask("verify")
        failed = [check for check in report["checks"] if not check["held"]]
        assert bool(failed) == (code == 1), report
        named = [check for check in failed if check["position"] is not None]
        if not named:
            return Verdict(not failed, 0, "; ".join(check["detail"] for check in failed))
        first = named[0]
        return Verdict(False, first["position"], first["detail"])

    def stranger(self, *, checkpoints: bool = True, key: str | None = None) -> Verdict:
        """Export the rows and ask the stand-alone file."""
        dump = self.home / "dump.jsonl"
        code, words = self.type("export", "--format", "raw", "--out", str(dump))
        assert code == 0, words
        return self.judged(dump, checkpoints=checkpoints, key=key)

    def judged(self, dump: Path, *, checkpoints: bool = True, key: str | None = None) -> Verdict:
        command = [sys.executable, "-I", str(TOOL), str(dump), "--origin", ORIGIN]
        if checkpoints:
            public = key or verifier_key(ORIGIN, signer_of(self.settings).public)
            command += ["--checkpoints", str(self.folder), "--key", public]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stderr
        named = NAMED.match(done.stdout)
        if named is None:
            return Verdict(done.returncode == 0, 0, done.stdout)
        return Verdict(False, int(named[1]), named[2])


def chained(rows: list[Row]) -> list[Row]:
    """Number the rows and compute every digest anew: what a patient superuser does."""
    before, made = genesis(LOG.name, ENTITY).digest, []
    for position, row in enumerate(rows, 1):
        before = digest(
            before,
            position,
            row.stream.bytes,
            row.version,
            row.recorded_us,
            row.name.encode(),
            row.state,
        )
        made.append(row._replace(position=position, digest=before))
    return made
