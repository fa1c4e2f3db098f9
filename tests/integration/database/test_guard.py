"""The guard by itself, with and without pidfds (a system without them polls)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from adapters.database.postmaster import GUARD

pytestmark = pytest.mark.fault

PATIENCE_S = 30


def guard_over(process: subprocess.Popen[bytes], *, with_pidfd: bool) -> tuple[int, int]:
    """Set a guard over the process: its pid, and the supervisor's end of the lifeline."""
    guards_end, lifeline = os.pipe()
    server = os.pidfd_open(process.pid) if with_pidfd else -1
    handed = [guards_end] if server < 0 else [guards_end, server]
    words = [str(word) for word in (guards_end, server, process.pid)]
    guard = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", str(GUARD), *words],
        {},
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, fd) for fd in handed],
    )
    for fd in handed:
        os.close(fd)
    return guard, lifeline


@pytest.mark.parametrize("with_pidfd", [True, False])
def test_a_cut_lifeline_ends_the_server(with_pidfd: bool) -> None:
    with subprocess.Popen(["sleep", "600"]) as server:
        guard, lifeline = guard_over(server, with_pidfd=with_pidfd)
        os.close(lifeline)

        assert server.wait(PATIENCE_S) == -signal.SIGINT
        assert os.waitpid(guard, 0)[1] == 0


@pytest.mark.parametrize("with_pidfd", [True, False])
def test_the_guard_goes_when_the_server_has_ended(with_pidfd: bool) -> None:
    with subprocess.Popen(["sleep", "600"]) as server:
        guard, lifeline = guard_over(server, with_pidfd=with_pidfd)
        server.kill()
        server.wait(PATIENCE_S)

        assert os.waitpid(guard, 0)[1] == 0
        os.close(lifeline)


@pytest.mark.parametrize("with_pidfd", [True, False])
def test_the_guard_outlives_polite_signals(with_pidfd: bool) -> None:
    with subprocess.Popen(["sleep", "600"]) as server:
        guard, lifeline = guard_over(server, with_pidfd=with_pidfd)
        while not _ignores(guard, signal.SIGTERM):
            assert server.poll() is None
        for word in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(guard, word)
        os.close(lifeline)

        assert server.wait(PATIENCE_S) == -signal.SIGINT
        assert os.waitpid(guard, 0)[1] == 0


def _ignores(pid: int, word: signal.Signals) -> bool:
    with open(f"/proc/{pid}/status") as status:
        (mask,) = [line.split()[1] for line in status if line.startswith("SigIgn:")]
    return bool(int(mask, 16) >> (word - 1) & 1)
