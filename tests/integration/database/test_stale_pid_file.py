"""What a crash leaves in `postmaster.pid`: a pid of nobody, of another program, or nothing."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from adapters.database.binaries import dropping_to, server_user
from tests.integration.database.keeper import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.database.binaries import Binaries
    from adapters.database.embedded import EmbeddedPostgres

pytestmark = pytest.mark.fault

one_lane = pytest.mark.parametrize("lane", ["embedded"], indirect=True)
"""Where the server's version makes no difference."""


def stale_pid_file(server: EmbeddedPostgres, pid: str) -> Path:
    """Leave what a power cut leaves: the pid file of a server that was never stopped."""
    server.start()
    stale = server.home / "server" / "pgdata" / "postmaster.pid"
    lines = [pid, *stale.read_text().splitlines()[1:]]
    server.stop()
    stale.write_text("\n".join(lines) + "\n" if pid else "")
    return stale


@pytest.fixture
def stranger() -> Iterator[int]:
    """The pid of a program that has nothing to do with us, but runs as the server's user."""
    process = subprocess.Popen(["sleep", "600"], **dropping_to(server_user()))
    yield process.pid
    process.kill()
    process.wait()


@one_lane
def test_survives_the_pid_file_of_a_dead_server(server: EmbeddedPostgres) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    stale_pid_file(server, str(ended.pid))
    server.start()

    assert ask(server, "SELECT 1") == 1


@one_lane
def test_survives_an_empty_pid_file(server: EmbeddedPostgres) -> None:
    stale_pid_file(server, "")
    server.start()

    assert ask(server, "SELECT 1") == 1


def test_survives_a_pid_that_now_belongs_to_another_program(
    server: EmbeddedPostgres, stranger: int
) -> None:
    stale_pid_file(server, str(stranger))
    server.start()

    assert ask(server, "SELECT 1") == 1
    os.kill(stranger, 0)


@one_lane
def test_postgresql_alone_would_not_start_on_the_pid_of_another_program(
    server: EmbeddedPostgres, stranger: int, binaries: Binaries
) -> None:
    stale = stale_pid_file(server, str(stranger))
    folder = os.open(stale.parent, os.O_RDONLY)
    started = subprocess.run(
        [binaries.program("postgres"), "-D", f"/proc/self/fd/{folder}"],
        check=False,
        pass_fds=(folder,),
        capture_output=True,
        text=True,
        cwd="/",
        **dropping_to(server_user()),
    )
    os.close(folder)

    assert "already exists" in started.stderr
