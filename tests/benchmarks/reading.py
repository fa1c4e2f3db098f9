"""What the benchmarks that read a log share: a filled log, turns with the peer, the report.

A reading is measured three ways: by the CPU time of the one process that reads (its one core), by
the same and the server's together (as if both had to share a core), and by the clock.
"""

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from api.house.collector import quiet_collector
from tests.benchmarks.deposits import Deposits, fill
from tests.benchmarks.machine import machine, postgresql
from tests.benchmarks.pgbench import Pgbench, find_pgbench

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

    Tell = Callable[[str], None]
    Read = Callable[[Connection[Any], int], int]

DAYS = 365
TICKS_A_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long the log is, how often it is read, and how large the peer is."""

    events: int
    rounds: int
    peer_s: int
    scale: int
    clients: int = 32


QUICK = Plan(events=200_000, rounds=3, peer_s=2, scale=10)
FULL = Plan(events=1_000_000, rounds=5, peer_s=10, scale=50)


@dataclass(slots=True)
class Series:
    """All rounds: seconds of ours, of the server for us, and of the clock; rates of the peer."""

    own_s: list[float] = field(default_factory=list)
    server_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    tpcb: list[float] = field(default_factory=list)
    one_row: list[float] = field(default_factory=list)


def run_reading(
    bench: str, read: Read, plan: Plan, seed: int, tell: Tell, **batch: int
) -> dict[str, Any]:
    """Fill a log, and let ours and the peer take turns on one durable server.

    Args:
        read: reads the whole log, up to its head, and tells how many balances it came to.
        batch: what the report says about the size of what is read at a time.
    """
    quiet_collector()
    series = Series()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="counterfoil-bench-")))
        tell("starting PostgreSQL")
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        peer = _peer(server, folder, plan)
        database = prepare_embedded(server)
        tell(f"filling a log of {plan.events:,} events")
        ends = datetime.now(UTC)
        begins = ends - timedelta(days=DAYS)
        head = fill(database.dsn("book_writer"), Deposits(seed), plan.events, begins, ends)
        reading = psycopg.connect(database.dsn("audit_reader"), autocommit=True)
        stack.enter_context(contextlib.closing(reading))
        balances = read(reading, head)  # once unmeasured: the pages come to memory, hints are set
        for number in range(plan.rounds):
            tell(f"round {number + 1} of {plan.rounds}")
            assert _measure(read, reading, head, series) == balances
            if peer is not None:
                series.tpcb.append(peer.tpcb_tps(plan.peer_s, seed + number))
                series.one_row.append(peer.one_row_tps(plan.peer_s // 2 or 1, seed + number))
        figures = report(series, head) | {"balances": balances}
        told = {"figures": figures, **peers(plan, series, head)}
        return {
            "bench": bench,
            "seed": seed,
            **told,
            "batch": batch,
            "postgresql": postgresql(server),
            "machine": machine(folder),
        }


def _measure(read: Read, connection: Connection[Any], head: int, series: Series) -> int:
    pid = connection.info.backend_pid
    server, begun, own = _cpu_s(pid), time.perf_counter(), time.process_time()
    balances = read(connection, head)
    series.own_s.append(time.process_time() - own)
    series.wall_s.append(time.perf_counter() - begun)
    series.server_s.append(_cpu_s(pid) - server)
    return balances


def _cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used, in user and in system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_S


def report(series: Series, events: int) -> dict[str, Any]:
    """Put what was measured into rates; the medians of the rounds."""
    own, server, wall = median(series.own_s), median(series.server_s), median(series.wall_s)
    return {
        "events_per_s": round(events / own),
        "events_per_s_with_server": round(events / (own + server)),
        "events_per_s_wall": round(events / wall),
        "own_us_per_event": round(own / events * 1e6, 2),
        "server_us_per_event": round(server / events * 1e6, 2),
        "memory_mb_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "events": events,
    }


def peers(plan: Plan, series: Series, events: int) -> dict[str, Any]:
    """The peer's rates, and ours relative to them; null where no pgbench was found."""
    rate = events / median(series.own_s)
    tpcb = median(series.tpcb) if series.tpcb else None
    one_row = median(series.one_row) if series.one_row else None
    return {
        "peers": {
            "tpcb_tps": None if tpcb is None else round(tpcb),
            "one_row_tps": None if one_row is None else round(one_row),
            "scale": plan.scale,
            "clients": plan.clients,
            "protocol": "prepared",
            "note": "" if tpcb else "pgbench was not found: no peer was measured",
        },
        "ratios": {
            "tpcb": None if tpcb is None else round(rate / tpcb, 1),
            "one_row": None if one_row is None else round(rate / one_row, 1),
        },
        "rounds": {
            "events_per_s": [round(events / seconds) for seconds in series.own_s],
            "tpcb_tps": [round(tps) for tps in series.tpcb],
            "one_row_tps": [round(tps) for tps in series.one_row],
        },
    }


def _peer(server: EmbeddedPostgres, folder: Path, plan: Plan) -> Pgbench | None:
    program = find_pgbench()
    if program is None:
        return None
    peer = Pgbench(program, server, folder, plan.scale, plan.clients)
    peer.fill()
    return peer


def planned(quick: bool, events: int | None) -> Plan:
    """The plan of a quick or a full run, on a log of another length where one was asked for."""
    usual = QUICK if quick else FULL
    if events is None:
        return usual
    return Plan(events, usual.rounds, usual.peer_s, usual.scale)
