"""How cost grows: with events, wallets, callers, and with a second process beside the first.

A small log and a growing one stand on the same server and take turns, so that a slow minute of the
machine hits both. Each writer is a process of its own: its memory is its own, and nothing is warm.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from adapters.checkpoints.directory import CheckpointDirectory
from adapters.checkpoints.signer import LocalSigner
from adapters.database.cluster import SUPERUSER
from adapters.database.roles import prepare_embedded
from api.house.checkpointer import Checkpointer
from api.house.settings import CheckpointSettings
from api.house.vocabulary import BOOK
from ledger.book import Book
from ledger.store.bulk import BULK_MAX
from ledger.store.tables import LOGS
from tests.benchmarks.load import ENTITY, WALLETS, Load
from tests.benchmarks.writer import Task, race

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.embedded import EmbeddedPostgres
    from adapters.database.roles import Database

    Measured = dict[str, float]

Tell = Callable[[str], None]
BASE = "scale_base"
"""The log of the first size, of which there is a new copy for each round."""
FILLING = 1_000_000
"""The part of what fills a log; parts of writers count from 0."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured, and for how long: each size is compared with the first.

    Attributes:
        rounds: of all parts but the last size.
        last_rounds: of the last size, which has to be within a tenth.
        race: lets writers measure side by side.
    """

    sizes: tuple[int, ...] = (100_000, 1_000_000, 5_000_000)
    callers: tuple[int, ...] = (10, 100, 1_000)
    wallets: tuple[int, ...] = (100, 5_000, 50_000)
    rounds: int = 2
    last_rounds: int = 5
    seconds: float = 2
    warm_s: float = 1
    race: Callable[..., list[dict[str, float]]] = race


FULL = Plan()


class Scale:
    """One run on one server."""

    def __init__(self, server: EmbeddedPostgres, seed: int, plan: Plan, tell: Tell) -> None:
        self._server, self._seed, self._plan, self._tell = server, seed, plan, tell
        self._parts, self._copies = count(), count()

    def database(self, name: str, wallets: int) -> Database:
        """Make a database with a book in it, and open wallets."""
        database = prepare_embedded(self._server, name)
        with contextlib.closing(_open(database)) as book:
            for command in Load(self._seed, wallets).openings():
                book.submit(command)
        return database

    def task(self, database: Database, callers: int = 1_000, **more: Any) -> Task:
        """Describe a writer with references of its own."""
        dsn, plan = database.dsn("book_writer"), self._plan
        part = next(self._parts)
        return Task(dsn, self._seed, part, callers, plan.seconds, warm_s=plan.warm_s, **more)

    def turns(self, *tasks: Callable[[], Iterable[Task]]) -> list[list[list[Measured]]]:
        """Let contestants take turns; by contestant, by round, by writer."""
        seen: list[list[list[Measured]]] = [[] for _ in tasks]
        for _ in range(self._plan.rounds):
            for number, each in enumerate(tasks):
                seen[number].append(self.race(*each()))
        return seen

    def race(self, *tasks: Task) -> list[Measured]:
        """Let writers measure at the same time."""
        return self._plan.race(*tasks)

    def beside(
        self, large: Database, rounds: int
    ) -> tuple[list[list[Measured]], list[list[Measured]], list[list[Measured]]]:
        """Let a small log and a large one take turns, the large one with timed keys too.

        The small one is a new copy each time: it would grow as fast as the large one.
        """
        small_seen, large_seen, timed_seen = [], [], []
        for _ in range(rounds):
            small_seen.append(self.race(self.task(self.copy(BASE))))
            large_seen.append(self.race(self.task(large)))
            timed_seen.append(self.race(self.task(large, timed_keys=True)))
        return small_seen, large_seen, timed_seen

    def copy(self, base: str) -> Database:
        """Copy a database that nobody is connected to."""
        name = f"scale_copy_{next(self._copies)}"
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        names = sql.Identifier(name), sql.Identifier(base)
        with psycopg.connect(self._server.dsn(SUPERUSER), autocommit=True) as connection:
            connection.execute(query.format(*names))
        copied = prepare_embedded(self._server, name)
        self._settle(copied)
        return copied

    def fill(self, database: Database, size: int) -> float:
        """Fill a log in bulk with movements of the same kind; return events per second."""
        load = Load(self._seed, WALLETS, FILLING + size)
        with contextlib.closing(_open(database)) as book, contextlib.closing(book.bulk()) as bulk:
            first, begun = book.head(), time.perf_counter()
            position = first
            while position < size:
                # A movement is two events.
                wanted = min(BULK_MAX, (size - position + 1) // 2)
                position = bulk.append([load.spread() for _ in range(wanted)]).position
                self._tell(f"filling the log: {position:,} of {size:,} events")
            taken = time.perf_counter() - begun
        self._settle(database)
        return (position - first) / taken if position > first else 0.0

    def _settle(self, database: Database) -> None:
        """Have written what filling left behind: it is no part of what follows."""
        with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE) book.log")
            connection.execute("CHECKPOINT")


def run(
    server: EmbeddedPostgres, folder: Path, seed: int, tell: Tell, plan: Plan = FULL
) -> dict[str, Any]:
    """Measure all of it; the folder is for checkpoints."""
    scale = Scale(server, seed, plan, tell)
    small = scale.database("scale_small", max(WALLETS, *plan.wallets))
    told = _curves(scale, small, plan, tell)
    for more in (_together(scale, small, tell), _growth(scale, folder, plan, tell)):
        for group, values in more.items():
            told.setdefault(group, {}).update(values)
    return told


def _curves(scale: Scale, small: Database, plan: Plan, tell: Tell) -> dict[str, Any]:
    tell("10 to 1,000 callers")
    callers = scale.turns(*(lambda n=n: [scale.task(small, n)] for n in plan.callers))
    tell("100 to 50,000 wallets")
    wallets = scale.turns(*(lambda n=n: [scale.task(small, wallets=n)] for n in plan.wallets))
    return {
        "curves": {
            "callers": _points(plan.callers, callers),
            "wallets": _points(plan.wallets, wallets),
        }
    }


def _together(scale: Scale, small: Database, tell: Tell) -> dict[str, Any]:
    tell("two processes beside one")

    def one(*, hot: bool) -> list[Task]:
        return [scale.task(small, hot=hot)]

    def two(*, hot: bool) -> list[Task]:
        return [*one(hot=hot), *one(hot=hot)]

    spread, both, hot, both_hot = (
        _per_s(seen)
        for seen in scale.turns(
            lambda: one(hot=False),
            lambda: two(hot=False),
            lambda: one(hot=True),
            lambda: two(hot=True),
        )
    )
    return {
        "figures": {"two_processes_per_s": round(both), "two_processes_hot_per_s": round(both_hot)},
        "ratios": {
            "two_processes": round(both / spread, 2),
            "two_processes_hot": round(both_hot / hot, 2),
        },
    }


def _growth(scale: Scale, folder: Path, plan: Plan, tell: Tell) -> dict[str, Any]:
    large = scale.database("scale_large", WALLETS)
    scale.fill(scale.database(BASE, WALLETS), plan.sizes[0])
    points, filled, costs = [], [], {}
    grown: list[list[Measured]] = []
    for size in plan.sizes:
        filled.append(scale.fill(large, size))
        tell(f"at {size:,} events")
        rounds = plan.last_rounds if size == plan.sizes[-1] else plan.rounds
        small, grown, timed = scale.beside(large, rounds)
        costs[size] = {
            "time": _ratio(grown, small, lambda told: 1 / told["per_s"]),
            "cpu": _ratio(grown, small, lambda told: told["cpu_us"]),
            "time_with_timed_keys": _ratio(timed, small, lambda told: 1 / told["per_s"]),
        }
        points += _points([size], [grown])
    tell("opening a long log, from the first row and from the newest checkpoint")
    last = plan.sizes[-1]
    return {
        "figures": {
            "fill_events_per_s": round(max(filled)),
            "memory_mb_peak": round(max(told["memory_mb"] for told in grown[-1])),
            "open_s_5m": round(_median(grown, "opened_s"), 3),
            **_opening(large, folder),
            "log_bytes_an_event": round(_log_bytes(large) / last),
        },
        "ratios": {"cost_5m": costs[last]["time"], "cost_5m_cpu": costs[last]["cpu"]},
        "curves": {"events": points, "costs": {str(size): cost for size, cost in costs.items()}},
        "indexes": _index_sizes(large),
    }


def _ratio(
    grown: list[list[Measured]], small: list[list[Measured]], cost: Callable[[Measured], float]
) -> float:
    """Compare each round with the one beside it, and tell the median."""
    pairs = zip(grown, small, strict=True)
    return round(median(cost(after[0]) / cost(before[0]) for after, before in pairs), 3)


def _open(database: Database) -> Book:
    return Book.open(database.dsn("book_writer"), ENTITY, BOOK, clock=lambda: datetime.now(UTC))


def _opening(database: Database, folder: Path) -> dict[str, float]:
    """Time what a start compares with the checkpoints: the whole log, or what is behind them."""
    store = CheckpointDirectory(folder / "checkpoints")
    signer = LocalSigner(Ed25519PrivateKey.generate())
    dsn, pace = database.dsn("audit_reader"), CheckpointSettings(events=1_000_000)

    def opened_s() -> float:
        checkpointer = Checkpointer(dsn, LOGS["log"], ENTITY, store, signer, pace)
        begun = time.perf_counter()
        checkpointer.open()
        taken = time.perf_counter() - begun
        checkpointer.start()
        checkpointer.stop()
        return taken

    return {"checkpoints_s_from_row_one": round(opened_s(), 2), "checkpoints_s": opened_s()}


def _log_bytes(database: Database) -> int:
    with psycopg.connect(database.admin_dsn) as connection:
        row = connection.execute("SELECT pg_total_relation_size('book.log')").fetchone()
    assert row is not None
    return int(row[0])


def _index_sizes(database: Database) -> dict[str, int]:
    sizes = """
        SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index
        WHERE indrelid = 'book.log'::regclass
    """
    with psycopg.connect(database.admin_dsn) as connection:
        return {str(name): int(size) for name, size in connection.execute(sizes)}


def _points(names: Iterable[int], seen: list[list[list[Measured]]]) -> list[dict[str, float]]:
    return [
        {
            "at": name,
            "per_s": round(_per_s(rounds)),
            "cpu_us": round(_median(rounds, "cpu_us"), 1),
            "p50_ms": round(_median(rounds, "p50_ms"), 1),
            "p99_ms": round(_median(rounds, "p99_ms"), 1),
            "memory_mb": round(max(told["memory_mb"] for told in rounds[-1])),
        }
        for name, rounds in zip(names, islice(seen, None), strict=True)
    ]


def _per_s(rounds: list[list[Measured]]) -> float:
    """All writers of a round together; the median of the rounds."""
    return median(sum(told["per_s"] for told in writers) for writers in rounds)


def _median(rounds: list[list[Measured]], what: str) -> float:
    return median(told[what] for writers in rounds for told in writers)
