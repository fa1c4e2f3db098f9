"""Where a figure was measured: a figure without it says nothing."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.embedded import EmbeddedPostgres

SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
SYNCS = 100
SYNCED = bytes(8_192)


def postgresql(server: EmbeddedPostgres) -> dict[str, str]:
    """Ask the server for its version and for what makes it durable."""
    with psycopg.connect(server.dsn("postgres")) as connection:
        rows = [connection.execute(f"SHOW {name}").fetchone() for name in SETTINGS]
    return {name: str(row[0]) for name, row in zip(SETTINGS, rows, strict=True) if row}


def machine(folder: Path) -> dict[str, Any]:
    """Describe the machine, and how long its disk takes to make one page durable."""
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "fdatasync_ms": round(_fdatasync_ms(folder), 3),
    }


def _fdatasync_ms(folder: Path) -> float:
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            os.write(file.fileno(), SYNCED)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return median(taken) * 1_000
