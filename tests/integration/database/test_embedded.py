"""The embedded server's life: start, share, stop, and every way in which it may be orphaned."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.errors import DataDirectoryRefused, ServerFailed
from adapters.database.postmaster import read_pid_file
from tests.integration.database.keeper import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.database.binaries import Binaries
    from tests.integration.database.keeper import Keeper

pytestmark = pytest.mark.fault

one_lane = pytest.mark.parametrize("lane", ["embedded"], indirect=True)
"""Where the server's version makes no difference."""


def test_starts_with_checksums_and_passwords_on_loopback(server: EmbeddedPostgres) -> None:
    server.start()

    assert ask(server, "SHOW data_checksums") == "on"
    assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
    assert ask(server, "SHOW password_encryption") == "scram-sha-256"
    assert ask(server, "SELECT bool_and(auth_method = 'scram-sha-256') FROM pg_hba_file_rules")
    assert ask(server, "SHOW server_encoding") == "UTF8"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsn("postgres"), password="wrong")


@one_lane
def test_is_durable_unless_told_otherwise(
    durable_postgres: Callable[..., EmbeddedPostgres], server: EmbeddedPostgres
) -> None:
    server.start()
    durable = durable_postgres(settings={"work_mem": "5MB"})

    durability = ("fsync", "synchronous_commit", "full_page_writes")
    assert [ask(durable, f"SHOW {name}") for name in durability] == ["on", "on", "on"]
    assert [ask(server, f"SHOW {name}") for name in durability] == ["off", "off", "off"]
    assert ask(durable, "SHOW work_mem") == "5MB"


@one_lane
def test_secrets_are_readable_by_their_owner_alone(server: EmbeddedPostgres) -> None:
    server.start()

    kept = server.home / "secrets" / "postgres"
    assert kept.read_text() == server.password("postgres")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert not (server.home / "server" / "password").exists()


def test_keeps_its_data_and_its_port_over_a_restart(server: EmbeddedPostgres) -> None:
    server.start()
    port, pid = server.port, server.pid
    with psycopg.connect(server.dsn("postgres")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    server.stop()
    server.start()

    assert ask(server, "SELECT seven FROM kept") == 7
    assert server.port == port
    assert server.pid != pid


@one_lane
def test_moves_to_another_port_when_its_own_is_taken(server: EmbeddedPostgres) -> None:
    server.start()
    port = server.port
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        server.start()

        assert server.port != port
        assert ask(server, "SELECT 1") == 1


@one_lane
def test_starting_twice_changes_nothing(server: EmbeddedPostgres) -> None:
    server.start()
    pid = server.pid
    server.start()

    assert server.pid == pid


def test_starts_again_after_the_server_was_killed(
    durable_postgres: Callable[..., EmbeddedPostgres],
) -> None:
    server = durable_postgres()
    dsn = server.dsn("postgres")
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    os.kill(server.pid, signal.SIGKILL)
    server.start()

    assert ask(server, "SELECT seven FROM kept") == 7
    assert server.dsn("postgres") == dsn


def test_waits_for_the_last_process_of_a_killed_server(server: EmbeddedPostgres) -> None:
    server.start()
    with contextlib.closing(psycopg.connect(server.dsn("postgres"))) as connection:
        connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 8000000)")
        time.sleep(0.1)
        os.kill(server.pid, signal.SIGKILL)
        server.start()

        assert ask(server, "SELECT 1") == 1
        assert "is still in use" in (server.home / "server.log").read_text()


@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL])
def test_the_server_goes_with_its_parent(
    keepers: Callable[[Path], Keeper], home: Path, death: signal.Signals
) -> None:
    kept = keepers(home)
    assert kept.serving()
    kept.process.send_signal(death)

    kept.wait_for_the_end()
    assert read_pid_file(kept.pgdata) is None, "the shutdown was clean"


@one_lane
def test_a_keyboard_interrupt_to_the_group_does_not_reach_the_server(
    keepers: Callable[[Path], Keeper], home: Path
) -> None:
    kept = keepers(home)

    assert os.getpgid(kept.process.pid) not in {
        os.getpgid(kept.server_pid),
        os.getpgid(kept.guard_pid()),
    }


def test_an_orphan_is_adopted_and_guarded_again(
    keepers: Callable[[Path], Keeper], server: EmbeddedPostgres
) -> None:
    kept = keepers(server.home)
    os.kill(kept.guard_pid(), signal.SIGKILL)
    kept.process.kill()
    kept.process.wait()
    assert kept.serving(), "without its guard the server outlives its parent"

    adopter = keepers(server.home)
    assert (adopter.server_pid, adopter.owned) == (kept.server_pid, 1)
    adopter.process.kill()

    kept.wait_for_the_end()


@one_lane
def test_an_adopted_server_is_stopped_by_its_adopter(
    keepers: Callable[[Path], Keeper], server: EmbeddedPostgres
) -> None:
    kept = keepers(server.home)
    os.kill(kept.guard_pid(), signal.SIGKILL)
    kept.process.kill()
    kept.process.wait()
    server.start()
    assert server.pid == kept.server_pid
    server.stop()

    assert not kept.serving()


@one_lane
def test_an_orphan_on_its_way_out_is_replaced(
    keepers: Callable[[Path], Keeper], server: EmbeddedPostgres
) -> None:
    kept = keepers(server.home)
    os.kill(kept.guard_pid(), signal.SIGKILL)
    kept.process.kill()
    kept.process.wait()
    os.kill(kept.server_pid, signal.SIGINT)
    server.start()

    assert server.pid != kept.server_pid
    assert ask(server, "SELECT 1") == 1


def test_a_start_right_after_a_kill_finds_a_living_server(
    keepers: Callable[[Path], Keeper], server: EmbeddedPostgres
) -> None:
    kept = keepers(server.home)
    kept.process.kill()
    kept.process.wait()
    server.start()

    assert server.owned
    assert server.pid != kept.server_pid, "the former guard stops its server, always"
    assert ask(server, "SELECT 1") == 1


@one_lane
def test_a_second_process_shares_the_server_and_leaves_it_running(
    keepers: Callable[[Path], Keeper], server: EmbeddedPostgres
) -> None:
    kept = keepers(server.home)
    with server:
        assert (server.pid, server.owned) == (kept.server_pid, False)
        assert ask(server, "SELECT 1") == 1

    assert kept.serving()


@one_lane
def test_a_sharer_becomes_the_owner_when_the_owner_is_gone(
    keepers: Callable[[Path], Keeper], server: EmbeddedPostgres
) -> None:
    kept = keepers(server.home)
    server.start()
    kept.process.kill()
    kept.process.wait()
    server.start()

    assert server.owned
    assert ask(server, "SELECT 1") == 1


@one_lane
def test_refuses_the_directory_of_another_version(server: EmbeddedPostgres) -> None:
    (server.home / "server" / "pgdata" / "PG_VERSION").write_text("13\n")

    with pytest.raises(DataDirectoryRefused, match="made by PostgreSQL 13"):
        server.start()


@one_lane
def test_a_server_that_cannot_start_says_why(binaries: Binaries, home: Path) -> None:
    broken = EmbeddedPostgres(
        home, durable=False, settings={"shared_buffers": "no"}, binaries=binaries
    )

    with pytest.raises(ServerFailed, match='invalid value for parameter "shared_buffers"'):
        broken.start()


@one_lane
def test_an_interrupted_initdb_is_begun_anew(server: EmbeddedPostgres) -> None:
    half = server.home / "server" / "pgdata.making"
    (server.home / "server" / "pgdata").rename(half)
    (half / "PG_VERSION").unlink()
    server.start()

    assert ask(server, "SELECT 1") == 1
    assert not half.exists()
