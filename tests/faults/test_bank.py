"""The bank test: money moves at random under faults, and every sum that is read is the same."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.database.roles import prepare_embedded
from api.house.vocabulary import BOOK
from ledger.facts import WalletDebited
from projections import runner as runners
from projections.balances import balances
from projections.replay import replay
from projections.runner import Runner
from tests.faults.bank import (
    CLIENTS,
    TOTAL,
    Tellers,
    endow,
    modelled,
    seen,
    seen_one_by_one,
)
from tests.faults.load import NOON, open_book
from tests.faults.processes import family, kill_all
from tests.integration.store.proxy import Loss, LossyProxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from adapters.database.embedded import EmbeddedPostgres
    from adapters.database.roles import Database
    from ledger.book import Book

pytestmark = pytest.mark.fault

SEED = int(os.environ.get("COUNTERFOIL_DRILL_SEED", "20261123"))
SECONDS = float(os.environ.get("COUNTERFOIL_DRILL_SECONDS", "4"))
BATCH_MAX = 7
"""Events that the projections fold together: an odd number, so that it never fits transfers."""
FAULT_EVERY_S = 0.5
KILL_EVERY = 3
READS_MIN = 20
FOLD_S_MAX = 60.0


@dataclass(slots=True)
class Reader:
    """Reads all wallets again and again, now and as of any moment, through every fault."""

    dsn: str
    moments: list[datetime] = field(default_factory=list)
    wrong: list[tuple[int, int, str]] = field(default_factory=list)
    reads: int = 0
    closing: Event = field(default_factory=Event)

    def run(self, chance: random.Random) -> None:
        while not self.closing.is_set():
            try:
                with psycopg.connect(self.dsn, autocommit=True) as connection:
                    while not self.closing.is_set():
                        self.look(connection, chance)
            except psycopg.OperationalError:
                self.closing.wait(0.05)

    def look(self, connection: psycopg.Connection[object], chance: random.Random) -> None:
        now = connection.execute("SELECT clock_timestamp()").fetchone()
        assert now is not None
        self.moments.append(now[0])  # type: ignore[index]
        known = chance.choice(self.moments)
        for name, moment in (("now", {}), ("as of", {"known_at": known})):
            total, least = seen(connection, **moment)
            self.reads += 1
            if total != TOTAL or least < 0:
                self.wrong.append((total, least, name))


def disturb(server: EmbeddedPostgres, proxy: LossyProxy, seconds: float, seed: int) -> int:
    """Kill the server, cut connections and lose commits, by turns; say how many times."""
    chance, faults, end = random.Random(seed), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 1.5) * FAULT_EVERY_S)
        faults += 1
        if faults % KILL_EVERY == 0:
            kill_all(family(server.pid))
            server.start()
        elif chance.random() < 0.5:
            proxy.cut()
        else:
            proxy.losses = [chance.choice([Loss.ANSWER, Loss.REQUEST])]
    return faults


def opened(database: Database, runner: Runner, port: int) -> Book:
    """Open the bank: every wallet is endowed, and the read models have seen it."""
    book = open_book(make_conninfo(database.dsn("book_writer"), host="127.0.0.1", port=port))
    for client in CLIENTS:
        book.submit(endow(client))
    runner.catch_up()
    return book


def test_every_sum_that_is_read_under_faults_is_the_same_and_nobody_is_overdrawn(
    durable_postgres: Callable[..., EmbeddedPostgres], tell: Callable[..., None]
) -> None:
    server = durable_postgres()
    database = prepare_embedded(server)
    runner = Runner(database.dsn("projector"), BOOK, batch_max=BATCH_MAX)
    with LossyProxy(server.port) as proxy:
        book = opened(database, runner, proxy.port)
        stop = Event()
        folding = Thread(target=runner.run, args=(stop,))
        reader = Reader(database.dsn("finance_reader"))
        reading = Thread(target=reader.run, args=(random.Random(SEED),))
        tellers = Tellers(book, SEED)
        folding.start()
        reading.start()
        tellers.start()
        faults = disturb(server, proxy, SECONDS, SEED)
        tellers.stop()
        reader.closing.set()
        reading.join()
        stop.set()
        folding.join()
        runner.catch_up()
        overdrawn: list[tuple[int, str]] = []
        model = modelled(book, lambda position, account: overdrawn.append((position, account)))
        numbers = _numbers(book)
        tell(
            seed=SEED,
            faults=faults,
            acknowledged=len(tellers.done),
            refused=len(tellers.refused),
            asked_again=tellers.again,
            reads=reader.reads,
            lost=len(tellers.done - set(numbers)),
            duplicated=len(numbers) - len(set(numbers)),
        )
        assert not reader.wrong, (len(reader.wrong), reader.wrong[:5])
        assert not overdrawn
        assert reader.reads > READS_MIN
        assert sorted(numbers) == sorted(tellers.done)
        with psycopg.connect(database.dsn("finance_reader"), autocommit=True) as connection:
            stands = {row.account: row.minor for row in balances(connection, limit=1_000).rows}
        assert stands == dict(model)
        assert replay(database.dsn("projector"), BOOK).equal
        assert book.verify().ok
        book.close()


def _numbers(book: Book) -> list[int]:
    """The transfers in the log, by the second of their effect."""
    told = book.events_after(0, book.head())
    paid = [event for event in told if isinstance(event.fact, WalletDebited)]
    return [int((event.at - NOON).total_seconds()) for event in paid]


@pytest.mark.parametrize("torn", ["read one by one", "folded by halves"])
def test_control_wallets_that_are_torn_apart_do_not_add_up(
    database: Database, tell: Callable[..., None], monkeypatch: pytest.MonkeyPatch, torn: str
) -> None:
    one_by_one = torn == "read one by one"
    if not one_by_one:
        monkeypatch.setattr(runners, "facts_missing", lambda _: 0)
    runner = Runner(database.dsn("projector"), BOOK, batch_max=5_000 if one_by_one else BATCH_MAX)
    port = int(str(conninfo_to_dict(database.dsn("book_writer"))["port"]))
    book = opened(database, runner, port)
    stop, tellers = Event(), Tellers(book, SEED)
    folding = Thread(target=runner.run, args=(stop,))
    folding.start()
    tellers.start()
    reads = wrong = 0
    deadline = time.monotonic() + FOLD_S_MAX
    with psycopg.connect(database.dsn("finance_reader"), autocommit=True) as connection:
        while not wrong and time.monotonic() < deadline:
            reads += 1
            look = seen_one_by_one if one_by_one else seen
            wrong += look(connection)[0] != TOTAL
    tellers.stop()
    stop.set()
    folding.join()
    tell(reads=reads, wrong_sums=wrong)
    assert wrong, "the drill would not see a torn read"
    book.close()
