"""PostgreSQL for every test that wants one: a server per test process, a database per test."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import Database, prepare_embedded
from adapters.secrets import provision
from adapters.secrets.openbao import OpenBao
from tests.vault import Corner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TEMPLATE = "counterfoil_template"
MEMORY = Path("/dev/shm")  # noqa: S108
MEMORY_BYTES_MIN = 2 * 1024**3
PREFIX = "counterfoil-tests-"
SMALL = {"max_wal_size": "128MB"}


@pytest.fixture
def root_log() -> Iterator[logging.Logger]:
    """The root logger, as it was again afterwards: a process of its own would just end."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture(scope="session")
def fast_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for servers that may lose their data: in memory where there is plenty.

    Making a database costs a thousand files; on a slow disk that is most of a test's time.
    """
    if not (MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN):
        yield tmp_path_factory.mktemp("fast")
        return
    for left in MEMORY.glob(f"{PREFIX}*"):
        if not Path(f"/proc/{left.name.split('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix=f"{PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(fast_folder: Path) -> Iterator[EmbeddedPostgres]:
    """One embedded server for this test process, without fsync."""
    with EmbeddedPostgres(fast_folder / "postgres", durable=False, settings=SMALL) as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a migrated database, for copying only."""
    prepare_embedded(postgres, TEMPLATE)
    return TEMPLATE


@pytest.fixture
def database(postgres: EmbeddedPostgres, template: str) -> Iterator[Database]:
    """A fresh migrated database of this test alone; `.dsn("book_writer")` and the other roles."""
    with copied_database(postgres, template) as database:
        yield database


@pytest.fixture
def durable_postgres(tmp_path: Path) -> Iterator[Callable[..., EmbeddedPostgres]]:
    """Make servers of one's own, fsync on, for tests that kill them; all are stopped at the end.

    Call it with a name and PostgreSQL settings; the server is started, not yet migrated.
    """
    with contextlib.ExitStack() as servers:

        def make(
            name: str = "durable", settings: Mapping[str, str] | None = None
        ) -> EmbeddedPostgres:
            server = EmbeddedPostgres(tmp_path / name, settings=settings)
            return servers.enter_context(server)

        yield make


@pytest.fixture(scope="session")
def openbao(fast_folder: Path) -> Iterator[OpenBao]:
    """One OpenBao server for this test process. A test that closes it opens it again."""
    with OpenBao(fast_folder / "openbao") as server:
        provision.enable(server.administrator())
        yield server


@pytest.fixture
def corner(openbao: OpenBao) -> Corner:
    """This test's own corner of the vault."""
    return Corner(openbao)


@contextlib.contextmanager
def copied_database(server: EmbeddedPostgres, template: str) -> Iterator[Database]:
    """Copy the template under a new name, and drop the copy afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    _administer(server, "CREATE DATABASE {name} TEMPLATE {template}", name, template)
    try:
        yield Database.on_embedded(server, name)
    finally:
        _administer(server, "DROP DATABASE {name} WITH (FORCE)", name, template)


def _administer(server: EmbeddedPostgres, query: str, name: str, template: str) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL(query).format(name=sql.Identifier(name), template=sql.Identifier(template))
        )
