"""Processes of the drills: `writer.py` on its own, and how servers die with their children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]


def write_until_killed(dsn: str, first: int, acks: int, *, keyed: bool) -> list[int]:
    """Run a writing process, kill it after so many answers, and return all that it printed."""
    command = [sys.executable, "-m", "tests.faults.writer", dsn, str(first)]
    command.append("keyed" if keyed else "keyless")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if len(lines) == acks:
                process.kill()
    assert len(lines) >= acks, "the process ended by itself"
    return [int(line) for line in lines]


def family(pid: int) -> list[int]:
    """A process and its children; itself first, so that nothing is forked while they are killed."""
    return [pid, *(child for child, parent in _parents().items() if parent == pid)]


def kill_all(pids: Iterable[int]) -> None:
    """SIGKILL them in this order; one that has ended meanwhile is what was wanted."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return found
