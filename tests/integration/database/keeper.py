"""A process that keeps a server, to be killed: starts it, prints its pid, and waits."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from adapters.database.binaries import Binaries, read_binaries
from adapters.database.embedded import EmbeddedPostgres
from adapters.database.postmaster import serves

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
KEEPER = "tests.integration.database.keeper"
PATIENCE_S = 30.0


class Keeper:
    """A process that keeps a server on `home`."""

    def __init__(self, home: Path, binaries: Binaries) -> None:
        self.pgdata = home / "server" / "pgdata"
        self.process = subprocess.Popen(
            [sys.executable, "-m", KEEPER, str(home), str(binaries.folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        self.server_pid, self.owned = (int(word) for word in words)

    def serving(self) -> bool:
        return serves(self.server_pid, self.pgdata)

    def wait_for_the_end(self) -> None:
        wait_for(lambda: not self.serving())

    def guard_pid(self) -> int:
        (guard,) = (
            int(child)
            for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            .read_text()
            .split()
            if int(child) != self.server_pid
        )
        return guard


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; it must, within a patience that no healthy run needs."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def ask(server: EmbeddedPostgres, query: str) -> object:
    with psycopg.connect(server.dsn("postgres")) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def main(home: str, folder: str) -> None:
    """Keep a server on `home`, with the programs in `folder`, until standard input ends."""
    with EmbeddedPostgres(home, durable=False, binaries=read_binaries(Path(folder))) as server:
        sys.stdout.write(f"{server.pid} {int(server.owned)}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:3])
