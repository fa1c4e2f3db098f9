"""Runs `writer.py` as a process of its own, and kills it while it writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
