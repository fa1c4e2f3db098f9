"""The peer: PostgreSQL's own `pgbench`, on the same server and in the same run as what we measure.

TPC-B is five statements and one commit. The one-row script is the least that anybody can do durably
with one commit per request. Both run with prepared statements, the fastest way that pgbench has.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from adapters.database.binaries import SYSTEM_FOLDER, find_binaries

if TYPE_CHECKING:
    from adapters.database.embedded import EmbeddedPostgres

DBNAME = "pgbench"
TPS = re.compile(r"^tps = (\d+\.\d+)", re.MULTILINE)
ONE_ROW_TABLE = """
CREATE TABLE one_row (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL,
    minor bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
)
"""
ONE_ROW = """
\\set account random(1, 5000)
\\set minor random(1, 1000000)
INSERT INTO one_row (account, minor) VALUES (:account, :minor);
"""


def find_pgbench() -> str | None:
    """Find the program: beside the server's own programs, else wherever the system has one."""
    beside = find_binaries().folder / "pgbench"
    installed = sorted(SYSTEM_FOLDER.glob("*/bin/pgbench"), reverse=True)
    for found in (beside, *installed):
        if found.exists():
            return str(found)
    return shutil.which("pgbench")


@dataclass(frozen=True, slots=True)
class Pgbench:
    """A database for the peer, filled. `scale` is 100,000 accounts each."""

    program: str
    server: EmbeddedPostgres
    folder: Path
    scale: int
    clients: int

    def fill(self) -> None:
        """Make the database, the TPC-B tables and the one-row table."""
        with psycopg.connect(self.server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DBNAME}")
        with psycopg.connect(self.server.dsn(DBNAME), autocommit=True) as connection:
            connection.execute(ONE_ROW_TABLE)
        self._script.write_text(ONE_ROW, "utf-8")
        self._run("--initialize", "--quiet", f"--scale={self.scale}")

    def tpcb_tps(self, seconds: int, seed: int) -> float:
        """Measure TPC-B transactions per second."""
        return self._measure(seconds, seed, "--builtin=tpcb-like", "--no-vacuum")

    def one_row_tps(self, seconds: int, seed: int) -> float:
        """Measure commits of one inserted row per second."""
        return self._measure(seconds, seed, f"--file={self._script}", "--no-vacuum")

    @property
    def _script(self) -> Path:
        return self.folder / "one_row.sql"

    def _measure(self, seconds: int, seed: int, *words: str) -> float:
        said = self._run(
            f"--client={self.clients}",
            f"--jobs={min(self.clients, os.cpu_count() or 1)}",
            f"--time={seconds}",
            f"--random-seed={seed}",
            "--protocol=prepared",
            *words,
        )
        found = TPS.search(said)
        assert found is not None, f"pgbench tells no rate: {said}"
        return float(found[1])

    def _run(self, *words: str) -> str:
        place = conninfo_to_dict(self.server.dsn(DBNAME))
        environment = {
            "PGHOST": str(place["host"]),
            "PGPORT": str(place["port"]),
            "PGUSER": str(place["user"]),
            "PGPASSWORD": str(place["password"]),
            "PGDATABASE": DBNAME,
        }
        done = subprocess.run(
            [self.program, *words], check=True, capture_output=True, text=True, env=environment
        )
        return done.stdout
