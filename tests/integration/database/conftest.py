"""Servers to start, stop and kill, in both lanes of PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from adapters.database.embedded import EmbeddedPostgres
from tests.integration.database.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.database.binaries import Binaries
    from adapters.database.roles import Database
    from tests.integration.lanes import Lanes


@pytest.fixture(scope="session")
def binaries(lanes: Lanes, lane: str) -> Binaries:
    """The programs of the lane; a lane that is not installed is skipped by name."""
    return lanes.binaries(lane)


@pytest.fixture(scope="session")
def postgres(lanes: Lanes, lane: str) -> EmbeddedPostgres:
    """One server of the lane, without fsync."""
    return lanes.server(lane)


@pytest.fixture
def database(lanes: Lanes, lane: str) -> Iterator[Database]:
    """A fresh migrated database of this test alone, in the lane."""
    with lanes.database(lane) as database:
        yield database


@pytest.fixture(scope="session")
def made(binaries: Binaries, fast_folder: Path) -> Path:
    """A data directory of the lane after its first start and stop, for copying only."""
    home = fast_folder / f"made-{binaries.major}"
    with EmbeddedPostgres(home, durable=False, binaries=binaries):
        pass
    (home / "port").unlink()
    return home


@pytest.fixture
def home(made: Path, fast_folder: Path) -> Iterator[Path]:
    """A data directory of this test alone."""
    copy = fast_folder / f"home-{uuid4().hex[:8]}"
    subprocess.run(["cp", "-a", made, copy], check=True)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture
def server(binaries: Binaries, home: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the lane, prepared and not started; stopped at the end."""
    server = EmbeddedPostgres(home, durable=False, binaries=binaries)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def keepers(binaries: Binaries) -> Iterator[Callable[[Path], Keeper]]:
    """Start processes that keep a server; what is left of them is ended."""
    started: list[Keeper] = []

    def start(home: Path) -> Keeper:
        started.append(Keeper(home, binaries))
        return started[-1]

    yield start
    for kept in started:
        kept.process.kill()
        kept.process.communicate()
        kept.wait_for_the_end()
