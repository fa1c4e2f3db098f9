"""How fast read models follow the log, how far behind they are, and how quickly they answer.

Three parts, on one durable server of our own: everything folded that stands in a log (catch-up);
the runner beside a process that writes deposits at a pace (sustained); balances read through the
queries of the API, now and as of a moment. Every projection is on, as in production.

    python -m tests.benchmarks.projections [--quick] [--json] [--seed N] [--events N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from api.house.collector import quiet_collector
from api.house.vocabulary import BOOK
from ledger.chart import Account
from projections.balances import balances
from projections.log import entry_of, events_after
from projections.runner import BATCH_MAX, GATHER_S, Runner
from tests.benchmarks.deposits import Deposits, fill
from tests.benchmarks.following import LAG_MS_MAX, follow
from tests.benchmarks.machine import machine, postgresql
from tests.benchmarks.pgbench import Pgbench, find_pgbench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from psycopg import Connection

    from adapters.database.roles import Database
    from tests.benchmarks.following import Followed

    Tell = Callable[[str], None]

DAYS = 30
"""The effective time that the filled log covers."""
EVENTS_LOOKED_AT = 500
OWNERS = "SELECT DISTINCT owner FROM read.balance WHERE kind = 'client:wallet' ORDER BY owner"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is folded, at which paces it is followed, how often is read, how large the peer is.

    Attributes:
        events: of the log that is caught up with and read from.
        paces: events a second that the writer offers, one run each.
        pace_s: how long each of them lasts.
        reads: of each kind.
    """

    events: int
    paces: tuple[int, ...]
    pace_s: float
    reads: int
    rounds: int
    peer_s: int
    scale: int
    clients: int = 32


QUICK = Plan(90_000, (6_000, 9_000), 3, 300, rounds=2, peer_s=2, scale=10)
FULL = Plan(5_000_000, (6_000, 9_000, 12_000), 30, 3_000, rounds=3, peer_s=10, scale=50)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """One catch-up: how many events, how long, and how much of it was our own CPU."""

    events: int
    seconds: float
    cpu_s: float


def run(
    quick: bool, seed: int, tell: Tell = lambda _: None, events: int | None = None
) -> dict[str, Any]:
    """Measure projections, reads and the peers on one durable server of our own.

    Args:
        quick: within 40 seconds; else within 15 minutes.
        seed: of clients, amounts, references and moments, and of the peer.
        tell: hears what is being measured.
        events: length of the log, instead of the plan's.
    """
    quiet_collector()  # as `counterfoil up` does
    plan = QUICK if quick else FULL
    length = plan.events if events is None else events
    return {"bench": "projections", "quick": quick, **run_plan(plan, length, seed, tell)}


def run_plan(plan: Plan, events: int, seed: int, tell: Tell) -> dict[str, Any]:
    """Measure as the plan says, on a log of so many events."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="counterfoil-bench-")))
        tell("starting PostgreSQL")
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        database = prepare_embedded(server)
        ends = datetime.now(UTC)
        deposits, begins = Deposits(seed), ends - timedelta(days=DAYS)
        tell(f"filling a log of {events:,} events")
        fill(database.dsn("book_writer"), deposits, events, begins, ends)
        tell("catching up")
        caught_up = catch_up(Runner(database.dsn("projector"), BOOK))
        followed = []
        for number, pace in enumerate(plan.paces, start=1):
            tell(f"following a writer of {pace:,} events a second")
            followed.append(follow(database, seed + number, pace, plan.pace_s))
        tell("reading")
        reads = read(database, (begins, ends), plan.reads, seed)
        peers = _peers(server, folder, plan, seed, tell)
        told = report(plan, caught_up, followed, reads, peers)
        return {"seed": seed, **told, "postgresql": postgresql(server), "machine": machine(folder)}


def catch_up(runner: Runner) -> CaughtUp:
    """Fold the whole log, and nothing else at the same time."""
    begun, cpu = time.perf_counter(), time.process_time()
    position = runner.catch_up()
    return CaughtUp(position, time.perf_counter() - begun, time.process_time() - cpu)


def read(
    database: Database,
    period: tuple[datetime, datetime],
    reads: int,
    seed: int,
) -> dict[str, list[float]]:
    """Read balances of clients and of the house, now and as of any moment; seconds of each read."""
    chance, (begins, ends) = random.Random(seed), period

    def moment() -> datetime:
        return begins + (ends - begins) * chance.random()

    with psycopg.connect(database.dsn("finance_reader"), autocommit=True) as connection:
        house = sorted(_house_accounts(database))
        clients = [UUID(owner) for (owner,) in connection.execute(OWNERS)]

        def client() -> dict[str, Any]:
            return {"client": chance.choice(clients)}

        def account() -> dict[str, Any]:
            name, currency = chance.choice(house)
            return {"account": name, "currency": currency}

        asked = {
            "balance": [client() for _ in range(reads)],
            "as_of": [client() | {"at": moment()} for _ in range(reads)],
            "as_known": [client() | {"known_at": moment()} for _ in range(reads)],
            "balance_house": [account() for _ in range(reads)],
            "as_of_house": [account() | {"at": moment()} for _ in range(reads // 10)],
        }
        return {kind: _seconds(connection, questions) for kind, questions in asked.items()}


def _seconds(connection: Connection[Any], asked: Iterable[dict[str, Any]]) -> list[float]:
    taken = []
    for question in asked:
        begun = time.perf_counter()
        found = balances(connection, **question)
        taken.append(time.perf_counter() - begun)
        assert found.rows, f"nothing stands there: {question}"
    return taken


def _house_accounts(database: Database) -> set[tuple[Account, str]]:
    """The accounts that every deposit moves, read out of the last entries of the log."""
    with psycopg.connect(database.dsn("projector")) as connection:
        row = connection.execute("SELECT notification_id FROM read.tracking").fetchone()
        assert row is not None, "something is folded"
        told = events_after(connection, BOOK, max(0, row[0] - EVENTS_LOOKED_AT), EVENTS_LOOKED_AT)
    return {
        (posting.account, posting.currency)
        for entry in filter(None, map(entry_of, told))
        for posting in entry.postings
        if ":client:" not in posting.account
    }


def _peers(
    server: EmbeddedPostgres, folder: Path, plan: Plan, seed: int, tell: Tell
) -> dict[str, float | None]:
    program = find_pgbench()
    if program is None:
        return {"tpcb_tps": None, "one_row_tps": None}
    tell("measuring pgbench")
    peer = Pgbench(program, server, folder, plan.scale, plan.clients)
    peer.fill()
    rounds = range(seed, seed + plan.rounds)
    return {
        "tpcb_tps": round(median(peer.tpcb_tps(plan.peer_s, number) for number in rounds)),
        "one_row_tps": round(
            median(peer.one_row_tps(plan.peer_s // 2 or 1, number) for number in rounds)
        ),
    }


def report(
    plan: Plan,
    caught_up: CaughtUp,
    followed: Sequence[Followed],
    reads: dict[str, list[float]],
    peers: dict[str, float | None],
) -> dict[str, Any]:
    """Put what was measured into figures, peers and ratios; a peer that is missing is null.

    `sustained_per_s` is the fastest pace that was followed with a p99 of at most a second, and
    `lag_p99_ms` that of this pace; where none was, the slowest pace tells by how much it failed.
    """
    kept_up = [seen for seen in followed if seen.lag_p99_ms <= LAG_MS_MAX]
    best = max(kept_up, key=lambda seen: seen.per_s) if kept_up else followed[0]
    per_s = round(caught_up.events / caught_up.seconds)
    sustained = round(best.per_s) if kept_up else 0
    tpcb = peers["tpcb_tps"]
    return {
        "figures": {
            "events_per_s": per_s,
            "cpu_us_per_event": round(1e6 * caught_up.cpu_s / caught_up.events, 1),
            "events": caught_up.events,
            "sustained_per_s": sustained,
            "lag_p50_ms": best.lag_p50_ms,
            "lag_p99_ms": best.lag_p99_ms,
            **_percentiles(reads),
            "memory_mb_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        },
        "peers": {
            **peers,
            "scale": plan.scale,
            "clients": plan.clients,
            "protocol": "prepared",
            "note": "" if tpcb else "pgbench was not found: no peer was measured",
        },
        "ratios": {
            "tpcb": None if tpcb is None else round(per_s / tpcb, 2),
            "sustained_tpcb": None if tpcb is None else round(sustained / tpcb, 2),
        },
        "followed": [seen.told() for seen in followed],
        "batch_max": BATCH_MAX,
        "gather_s": GATHER_S,
    }


def _percentiles(reads: dict[str, list[float]]) -> dict[str, float]:
    found = {}
    for kind, taken in reads.items():
        ordered = sorted(taken)
        for percent in (50, 99):
            at = min(len(ordered) - 1, len(ordered) * percent // 100)
            found[f"{kind}_p{percent}_ms"] = round(ordered[at] * 1_000, 2)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print: lines for people, or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.projections")
    parser.add_argument("--quick", action="store_true", help="within 40 seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, help="length of the log")
    asked = parser.parse_args(arguments)
    told = run(asked.quick, asked.seed, lambda words: _say(f"{words} …", sys.stderr), asked.events)
    _say(json.dumps(told) if asked.json else json.dumps(told, indent=2), sys.stdout)


def _say(words: str, out: Any) -> None:
    out.write(f"{words}\n")
    out.flush()


if __name__ == "__main__":
    main()
