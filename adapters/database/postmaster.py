"""One running server: what its pid file says, whether that is true, and how to signal it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class PidFile:
    """The lines of `postmaster.pid` that matter to us."""

    pid: int
    port: int
    ready: bool


def read_pid_file(pgdata: Path) -> PidFile | None:
    """Read the pid file: None when there is none or the server has not finished writing it."""
    try:
        lines = (pgdata / "postmaster.pid").read_text().splitlines()
        ready = [line.strip() for line in lines[7:]] == ["ready"]
        return PidFile(pid=int(lines[0]), port=int(lines[3]), ready=ready)
    except (FileNotFoundError, IndexError, ValueError):
        return None


def cluster_name(pgdata: Path) -> str:
    """Name the data directory in the server's arguments: a copy elsewhere has another name."""
    place = pgdata.stat()
    return f"counterfoil-{place.st_dev:x}-{place.st_ino:x}"


def serves(pid: int, pgdata: Path) -> bool:
    """Say whether this process is a server of this data directory.

    A pid alone proves nothing: after a crash it may belong to any program. The arguments are read,
    because those may be read of every process (links such as `cwd` only with special rights).
    """
    arguments = _arguments(pid)
    if not arguments or Path(arguments[0]).name not in {"postgres", "postmaster"}:
        return False
    ours = {f"cluster_name={cluster_name(pgdata)}", str(pgdata), str(pgdata.resolve())}
    return not ours.isdisjoint(arguments)


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        pass
    if Path("/proc/self").exists():
        return []
    shown = subprocess.run(  # noqa: S603
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)],
        check=False,
        capture_output=True,
        text=True,
    )
    return shown.stdout.split()


class Postmaster:
    """A server that we are responsible for: our own child, or an orphan that we adopted.

    It has a guard for its whole life, which stops it when this process is gone.
    """

    def __init__(
        self, pid: int, pgdata: Path, child: subprocess.Popen[bytes] | None, guard_lock: int
    ) -> None:
        """Take charge of the process and set its guard, who inherits `guard_lock`."""
        self.pid = pid
        self._pgdata = pgdata
        self._child = child
        self._lifeline, guards_end = os.pipe()[::-1]
        server = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        guards = [guards_end] if server < 0 else [guards_end, server]
        self._guard = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", GUARD, str(guards_end), str(server), str(pid)],
            stdin=subprocess.DEVNULL,
            pass_fds=(*guards, guard_lock),
            start_new_session=True,
            cwd="/",
            env={},
        )
        for fd in guards:
            os.close(fd)

    def gone(self) -> bool:
        """Say whether the server has ended."""
        if self._child is not None:
            return self._child.poll() is not None
        return not serves(self.pid, self._pgdata)

    def stop(self, word: signal.Signals, wait_s: float) -> bool:
        """Send the signal, wait for the end, and say whether it came."""
        if not self.gone():
            os.kill(self.pid, word)
        deadline = time.monotonic() + wait_s
        while not self.gone():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def dismiss_guard(self) -> None:
        """Let the guard go: the server has ended."""
        assert self.gone(), "a living server keeps its guard"
        os.close(self._lifeline)
        self._guard.wait()
