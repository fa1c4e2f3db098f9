"""Durable movements per second of the book, beside pgbench on the same server in the same run.

A movement is one command of two facts: a confirmed deposit with its conversion on a stream of its
own, and the wallet's credit with one entry of five legs. Each caller awaits its command before it
sends the next. Nothing is switched off: fsync, request keys and fingerprints, the chain, limits.

    python -m tests.benchmarks.book [--quick] [--json] [--seed N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from api.house.collector import quiet_collector
from api.house.vocabulary import BOOK
from ledger.book import Book
from tests.benchmarks import bulk, ingest, scale
from tests.benchmarks.load import ENTITY, MARKUP_BPS, MERCHANT, QUOTE, WALLETS, Load
from tests.benchmarks.machine import machine, postgresql
from tests.benchmarks.measuring import Measured, measure
from tests.benchmarks.pgbench import Pgbench, find_pgbench

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ENTITY", "MARKUP_BPS", "MERCHANT", "QUOTE", "Load", "Measured", "measure", "run"]

Tell = Callable[[str], None]
CALLERS = 1_000
FEW_CALLERS = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each part is measured, how often in turn, and how large the peer is.

    Attributes:
        ours_s: spread over the wallets, and all on the hot one.
        peer_s: TPC-B; the one-row script gets half of it.
        single_s: what is measured once: few callers, one fact a command.
        verified: whether the whole log is verified at the end.
        more: also at 5 million events, with two processes, in bulk and over HTTP.
    """

    rounds: int
    ours_s: float
    peer_s: int
    single_s: float
    scale: int
    verified: bool
    clients: int = 32
    more: bool = False


QUICK = Plan(rounds=3, ours_s=2, peer_s=2, single_s=2, scale=10, verified=False)
FULL = Plan(rounds=5, ours_s=5, peer_s=4, single_s=5, scale=50, verified=True, more=True)


@dataclass(slots=True)
class Series:
    """All rounds of all parts."""

    spread: list[Measured] = field(default_factory=list)
    hot: list[Measured] = field(default_factory=list)
    few: list[Measured] = field(default_factory=list)
    one_fact: list[Measured] = field(default_factory=list)
    tpcb: list[float] = field(default_factory=list)
    one_row: list[float] = field(default_factory=list)

    @property
    def ours(self) -> list[Measured]:
        return [*self.spread, *self.hot, *self.few, *self.one_fact]


def run(quick: bool, seed: int, tell: Tell = lambda _: None) -> dict[str, Any]:
    """Measure the book and its peers in turn, on one durable server of our own.

    Args:
        quick: within 40 seconds; else some minutes.
        seed: of clients, amounts and references, and of the peer.
        tell: hears what is being measured.
    """
    quiet_collector()  # as `counterfoil up` does
    return {"bench": "book", "quick": quick, **run_plan(QUICK if quick else FULL, seed, tell)}


def run_plan(plan: Plan, seed: int, tell: Tell) -> dict[str, Any]:
    """Measure as the plan says."""
    load, series = Load(seed), Series()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="counterfoil-bench-")))
        tell("starting PostgreSQL")
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        peer = _peer(server, folder, plan)
        database = prepare_embedded(server)
        book = Book.open(database.dsn("book_writer"), ENTITY, BOOK, clock=lambda: datetime.now(UTC))
        stack.callback(book.close)
        for command in load.openings():
            book.submit(command)
        measure(book, load.spread, CALLERS, plan.single_s / 4)
        before = book.head()
        _rounds(book, load, peer, plan, seed, series, tell)
        recorded = sum(seen.facts for seen in series.ours)
        assert book.head() == before + recorded, "an acknowledged fact is not in the log"
        if plan.verified:
            tell("verifying the log")
            assert book.verify().ok
        told = report(plan, series, book.head())
        if plan.more:
            for part in (bulk.run, ingest.run, scale.run):
                _add(told, part(server, folder, seed, tell))
        return {"seed": seed, **told, "postgresql": postgresql(server), "machine": machine(folder)}


def _add(told: dict[str, Any], more: dict[str, Any]) -> None:
    for group, values in more.items():
        told.setdefault(group, {}).update(values)


def _peer(server: EmbeddedPostgres, folder: Path, plan: Plan) -> Pgbench | None:
    program = find_pgbench()
    if program is None:
        return None
    peer = Pgbench(program, server, folder, plan.scale, plan.clients)
    peer.fill()
    return peer


def _rounds(
    book: Book,
    load: Load,
    peer: Pgbench | None,
    plan: Plan,
    seed: int,
    series: Series,
    tell: Tell,
) -> None:
    """Take turns, ours and theirs, so that a slow minute of the machine hits both."""
    for number in range(plan.rounds):
        tell(f"round {number + 1} of {plan.rounds}")
        series.spread.append(measure(book, load.spread, CALLERS, plan.ours_s))
        if peer is not None:
            series.tpcb.append(peer.tpcb_tps(plan.peer_s, seed + number))
        series.hot.append(measure(book, load.hot, CALLERS, plan.ours_s))
        if peer is not None:
            series.one_row.append(peer.one_row_tps(plan.peer_s // 2 or 1, seed + number))
    tell("few callers, and one fact a command")
    series.few.append(measure(book, load.spread, FEW_CALLERS, plan.single_s))
    series.one_fact.append(measure(book, load.one_fact, CALLERS, plan.single_s))


def report(plan: Plan, series: Series, events: int) -> dict[str, Any]:
    """Put what was measured into figures, peers and ratios; a peer that is missing is null."""
    spread = median(seen.per_s for seen in series.spread)
    hot = median(seen.per_s for seen in series.hot)
    tpcb = median(series.tpcb) if series.tpcb else None
    one_row = median(series.one_row) if series.one_row else None
    batches = sorted(size for seen in series.spread for size in seen.appends.values())
    few = series.few[0]
    return {
        "figures": {
            "movements_per_s": round(spread),
            "hot_wallet_per_s": round(hot),
            "one_fact_per_s": round(series.one_fact[0].per_s),
            "movements_per_s_10": round(few.per_s),
            "p50_ms_10": round(few.percentile_ms(50), 2),
            "p99_ms_10": round(few.percentile_ms(99), 2),
            "p50_ms_1000": _median_ms(series.spread, 50),
            "p99_ms_1000": _median_ms(series.spread, 99),
            "batch_median": batches[len(batches) // 2],
            "batch_max": batches[-1],
            "memory_mb_peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "events": events,
        },
        "peers": {
            "tpcb_tps": None if tpcb is None else round(tpcb),
            "one_row_tps": None if one_row is None else round(one_row),
            "scale": plan.scale,
            "clients": plan.clients,
            "protocol": "prepared",
            "note": "" if tpcb else "pgbench was not found: no peer was measured",
        },
        "ratios": {
            "tpcb": None if tpcb is None else round(spread / tpcb, 2),
            "one_row": None if one_row is None else round(spread / one_row, 2),
            "hot_wallet": round(hot / spread, 2),
        },
        "rounds": {
            "movements_per_s": [round(seen.per_s) for seen in series.spread],
            "hot_wallet_per_s": [round(seen.per_s) for seen in series.hot],
            "tpcb_tps": [round(tps) for tps in series.tpcb],
            "one_row_tps": [round(tps) for tps in series.one_row],
        },
        "wallets": WALLETS,
        "callers": CALLERS,
    }


def _median_ms(rounds: list[Measured], percent: int) -> float:
    return round(median(seen.percentile_ms(percent) for seen in rounds), 2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print: a few lines for people, or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.book")
    parser.add_argument("--quick", action="store_true", help="within 40 seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    report = run(options.quick, options.seed, lambda words: _say(f"{words} …", sys.stderr))
    _say(json.dumps(report) if options.json else json.dumps(report, indent=2), sys.stdout)


def _say(words: str, out: Any) -> None:
    out.write(f"{words}\n")
    out.flush()


if __name__ == "__main__":
    main()
