"""Durable movements per second of the book, beside pgbench on the same server in the same run.

A movement is one command of two facts: a confirmed deposit with its conversion on a stream of its
own, and the wallet's credit with one entry of five legs. Each caller awaits its command before it
sends the next. Nothing is switched off: fsync, request keys and fingerprints, the chain, limits.

    python -m tests.benchmarks.book [--quick] [--json] [--seed N]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import UUID

import uvloop

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from api.collector import quiet_collector
from api.vocabulary import BOOK
from ledger.book import Book
from ledger.decision import Command
from ledger.facts import WalletCredited
from ledger.fx import Quote, convert
from ledger.ids import ClientId, DepositId, EntityId, fingerprint, request_key
from ledger.money import Money
from ledger.wallet import open_wallet, record, wallet
from payments.bookings import clearing, deposit_credited
from payments.deposit import deposit_stream
from payments.facts import DepositConfirmed
from payments.link import Merchant
from tests.benchmarks.machine import machine, postgresql
from tests.benchmarks.pgbench import Pgbench, find_pgbench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ledger.decision import Decision, Receipt

    Tell = Callable[[str], None]
    Make = Callable[[], Command]

ENTITY = EntityId("acme-cy")
MERCHANT = Merchant(ENTITY, "stripe", "stripe-eu", live=False)
MARKUP_BPS = Decimal(50)
QUOTED_AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUOTE = Quote(
    "EUR",
    "USD",
    Decimal("1.08412"),
    Decimal("1.08431"),
    "bench",
    QUOTED_AT,
    QUOTED_AT + timedelta(hours=1),
    "bench-1",
)
WALLETS = 5_000
WALLETS_A_COMMAND = 250
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
    """

    rounds: int
    ours_s: float
    peer_s: int
    single_s: float
    scale: int
    verified: bool
    clients: int = 32


QUICK = Plan(rounds=3, ours_s=2, peer_s=2, single_s=2, scale=10, verified=False)
FULL = Plan(rounds=7, ours_s=10, peer_s=10, single_s=10, scale=50, verified=True)


class Load:
    """Makes the commands of one run: random clients, amounts and references, all from one seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._references = count()
        self._clients = [
            ClientId(UUID(int=self._chance.getrandbits(128), version=4)) for _ in range(WALLETS)
        ]

    def openings(self) -> Iterator[Command]:
        """Open the wallets, many a command."""
        for start in range(0, WALLETS, WALLETS_A_COMMAND):
            yield _opening(self._clients[start : start + WALLETS_A_COMMAND])

    def spread(self) -> Command:
        """Make a movement into any of the wallets."""
        return self._movement(self._chance.choice(self._clients))

    def hot(self) -> Command:
        """Make a movement into always the same wallet."""
        return self._movement(self._clients[0])

    def one_fact(self) -> Command:
        """Make the wallet's half of a movement alone."""
        return self._movement(self._chance.choice(self._clients), with_deposit=False)

    def _movement(self, client: ClientId, *, with_deposit: bool = True) -> Command:
        reference = f"pi_{next(self._references)}{self._chance.getrandbits(64):016x}"
        amount = Money(self._chance.randint(1_00, 25_000_00), "EUR")
        at = datetime.now(UTC)
        deposit = DepositId(MERCHANT.id_of(at, "payment", reference))
        stream, purse = deposit_stream(deposit), wallet(ENTITY, client, "USD")

        def decide(decision: Decision) -> None:
            conversion = convert(amount, "USD", QUOTE, MARKUP_BPS)
            if with_deposit:
                confirmed = DepositConfirmed(
                    deposit=deposit,
                    client=client,
                    amount=amount,
                    received_at=at,
                    charge=reference,
                    conversion=conversion,
                )
                decision.record(stream, confirmed)
            state, source = decision.get(purse), clearing(ENTITY, MERCHANT.name)
            moved = deposit_credited(state, source, amount, conversion, "deposit confirmed")
            record(decision, state, WalletCredited(cause=deposit, entry=moved))

        return Command(
            decide,
            by="bench",
            at=at,
            key=request_key(ENTITY, MERCHANT.provider, MERCHANT.name, reference),
            contents=fingerprint(f"{reference} {amount.text()} {client}".encode()),
            names=(stream, purse) if with_deposit else (purse,),
        )


def _opening(clients: Sequence[ClientId]) -> Command:
    def decide(decision: Decision) -> None:
        for client in clients:
            open_wallet(decision, ENTITY, client, "USD")

    streams = tuple(wallet(ENTITY, client, "USD") for client in clients)
    return Command(decide, by="bench", at=datetime.now(UTC), names=streams)


@dataclass(slots=True)
class Measured:
    """What callers saw: how long each command took, and which append it stood in."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    appends: Counter[datetime] = field(default_factory=Counter)
    facts: int = 0

    def note(self, latency_s: float, receipt: Receipt) -> None:
        self.latencies_s.append(latency_s)
        self.appends[receipt.events[0].recorded_at] += 1
        self.facts += len(receipt.events)

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1_000


def measure(book: Book, make: Make, callers: int, seconds: float) -> Measured:
    """Let so many callers send commands, one after the other each, for so long."""
    seen = Measured()

    async def call(until: float) -> None:
        while (begun := time.perf_counter()) < until:
            receipt = await book.asubmit(make())
            seen.note(time.perf_counter() - begun, receipt)

    async def run() -> None:
        begun = time.perf_counter()
        await asyncio.gather(*(call(begun + seconds) for _ in range(callers)))
        seen.seconds = time.perf_counter() - begun

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    return seen


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
        return {"seed": seed, **told, "postgresql": postgresql(server), "machine": machine(folder)}


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
