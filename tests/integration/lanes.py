"""Two lanes: the embedded PostgreSQL, and Debian's PostgreSQL 15 where it is installed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.database.binaries import Binaries, find_binaries, read_binaries
from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from tests.conftest import TEMPLATE, copied_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.database.roles import Database

EMBEDDED, DEBIAN_15 = "embedded", "debian-15"
LANES = (EMBEDDED, DEBIAN_15)
PROGRAMS_15 = Path("/usr/lib/postgresql/15/bin")


class Lanes:
    """The lanes' servers, without fsync, each started when it is first asked for."""

    def __init__(self, folder: Path, servers: contextlib.ExitStack) -> None:
        self._folder, self._servers = folder, servers
        self._started: dict[str, EmbeddedPostgres] = {}

    def binaries(self, lane: str) -> Binaries:
        """Find a lane's programs; a lane that is not installed is skipped by name."""
        if lane == EMBEDDED:
            return find_binaries()
        if not PROGRAMS_15.exists():
            pytest.skip(f"lane PostgreSQL 15: {PROGRAMS_15} is not installed (apt: postgresql-15)")
        return read_binaries(PROGRAMS_15)

    def server(self, lane: str) -> EmbeddedPostgres:
        """A lane's server, with a migrated template."""
        if lane not in self._started:
            made = EmbeddedPostgres(
                self._folder / lane, durable=False, binaries=self.binaries(lane)
            )
            self._started[lane] = self._servers.enter_context(made)
            prepare_embedded(made, TEMPLATE)
        return self._started[lane]

    @contextlib.contextmanager
    def database(self, lane: str) -> Iterator[Database]:
        """A fresh migrated database on a lane's server."""
        with copied_database(self.server(lane), TEMPLATE) as database:
            yield database
