"""Disks that fail: system calls of a server's processes that err, dawdle or vanish, by strace."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READY_S_MAX = 20.0
PIECE_BYTES = 1024 * 1024
STRUCK = re.compile(r"\((?:INJECTED|DELAYED)\)")


def need_strace() -> None:
    """Skip where no process may be traced."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt: strace)")
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip(f"no process may be traced here: {tried.stderr.decode().strip()}")


class Injection:
    """Faults that are put into running processes, and how often they struck."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    @property
    def struck(self) -> int:
        """How many system calls met the fault."""
        return len(STRUCK.findall(self._trace.read_text()))

    def await_strike(self, wait_s: float = READY_S_MAX) -> None:
        """Wait until one did."""
        deadline = time.monotonic() + wait_s
        while not self.struck:
            assert time.monotonic() < deadline, "the fault never struck"
            time.sleep(0.01)


@contextlib.contextmanager
def injected(trace: Path, pids: Sequence[int], calls: str, fault: str) -> Iterator[Injection]:
    """Let system calls of living processes fail, e.g. `fdatasync` with `error=EIO:when=20`."""
    command = ["strace", "-f", "-o", str(trace), "-e", f"trace={calls}"]
    command += ["-e", f"inject={calls}:{fault}"]
    for pid in pids:
        command += ["-p", str(pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        for _ in pids:
            assert b"attached" in tracer.stderr.readline(), "strace does not attach"
        try:
            yield Injection(trace)
        finally:
            # A traced process that stands in a delayed call is let go by this signal too.
            tracer.send_signal(signal.SIGTERM)
            tracer.communicate(timeout=READY_S_MAX)


@contextlib.contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A file system of its own that is soon full."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder.mkdir()
    size = f"size={size_mb}m,mode=755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk up to its last byte; removing the file frees it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while out.write(bytes(PIECE_BYTES)) == PIECE_BYTES:
            pass
    return filler
