"""A server that dies under open books is started again, and nobody else's is."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.keeper import LOOK_S
from adapters.database.postmaster import read_pid_file
from adapters.database.roles import open_database
from tests.integration.database.keeper import wait_for

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 30.0
UNKEPT_S = 8 * LOOK_S

pytestmark = pytest.mark.parametrize("lane", ["embedded"], indirect=True)


def comes_back(dsn: str, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn) as connection:
            connection.execute("SELECT")
            return True
        time.sleep(0.02)
    return False


def kill(home: Path) -> int:
    found = read_pid_file(home / "server" / "pgdata")
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    return found.pid


def another_than(killed: int, home: Path) -> bool:
    found = read_pid_file(home / "server" / "pgdata")
    return found is not None and found.ready and found.pid != killed


def test_a_server_that_is_killed_under_open_books_is_started_again(home: Path) -> None:
    with open_database(data_dir=home, durable=False) as database:
        for _ in range(2):
            killed = kill(home)
            wait_for(partial(another_than, killed, home))

            assert comes_back(database.dsn("book_writer"), PATIENCE_S)
    assert not comes_back(database.dsn("book_writer"), UNKEPT_S)


def test_a_server_without_a_keeper_stays_dead(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as server:
        kill(home)
        wait_for(lambda: server.lost)

        assert not comes_back(server.dsn("postgres"), UNKEPT_S)


def test_who_shares_a_server_does_not_start_it_again(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as owner, open_database(data_dir=home) as shared:
        kill(home)
        wait_for(lambda: owner.lost)

        assert not comes_back(shared.dsn("book_writer"), UNKEPT_S)


def test_a_start_that_fails_is_tried_again(home: Path) -> None:
    version = home / "server" / "pgdata" / "PG_VERSION"
    with open_database(data_dir=home, durable=False) as database:
        right = version.read_text()
        version.write_text("9\n")
        kill(home)

        assert not comes_back(database.dsn("book_writer"), UNKEPT_S)
        version.write_text(right)
        assert comes_back(database.dsn("book_writer"), PATIENCE_S)
