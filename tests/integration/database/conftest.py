"""Two lanes: the embedded PostgreSQL, and Debian's PostgreSQL 15 where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from adapters.database.binaries import Binaries, find_binaries, read_binaries
from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from tests.conftest import TEMPLATE
from tests.integration.database.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session", params=["embedded", "debian-15"])
def binaries(request: pytest.FixtureRequest) -> Binaries:
    """The programs of the lane; a lane that is not installed is skipped by name."""
    if request.param == "embedded":
        return find_binaries()
    if not DEBIAN_15.exists():
        pytest.skip(f"lane PostgreSQL 15: {DEBIAN_15} is not installed (apt: postgresql-15)")
    return read_binaries(DEBIAN_15)


@pytest.fixture(scope="session")
def postgres(binaries: Binaries, fast_folder: Path) -> Iterator[EmbeddedPostgres]:
    """One server of the lane, without fsync."""
    home = fast_folder / f"lane-{binaries.major}"
    with EmbeddedPostgres(home, durable=False, binaries=binaries) as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The lane's own template: the one of the whole session stands on another server."""
    prepare_embedded(postgres, TEMPLATE)
    return TEMPLATE


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
