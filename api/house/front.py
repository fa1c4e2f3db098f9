"""What stands behind the doors: the house, its read models, and what the doors count."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends
from prometheus_client import Counter
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool
from starlette.requests import Request

from adapters.card_numbers import masked
from api.door.problems import ApiProblem
from api.house.bootstrap import wall_clock
from api.house.traces import span
from api.house.trail import tell_recorded
from projections.waiting import ReadPosition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from psycopg import Connection

    from api.door.middleware import Metrics
    from api.house.bootstrap import House
    from ledger.decision import Command, Receipt

READERS_MAX: Final = 8
WAIT_S: Final = 5.0
"""How long a read waits for the position that it asks for; then the caller comes back."""
CONNECT_S: Final = 5.0
WATCH_S: Final = 1.0
"""The same for those who watch us: they want to hear that it is away, soon."""
SAMPLES_MAX: Final = 100
SAMPLE_BYTES: Final = 256


class Reads:
    """Read models, from connections that can do nothing else."""

    def __init__(self, house: House) -> None:
        self._book = house.book
        self._models = _pool(partial(house.database.dsn, "finance_reader"), "read-models")
        self._log = _pool(partial(house.database.dsn, "audit_reader"), "read-log")
        self._seen = ReadPosition(partial(house.database.dsn, "finance_reader"))

    def open(self) -> None:
        """Connect, and begin to watch how far the read models are."""
        self._models.open()
        self._log.open()
        self._seen.start()

    def close(self) -> None:
        """Disconnect."""
        self._seen.close()
        self._models.close()
        self._log.close()

    @contextlib.contextmanager
    def models(
        self, after: int | None = None, *, timeout_s: float = CONNECT_S
    ) -> Iterator[Connection[Any]]:
        """Lend a connection to the read models, once they have seen the position.

        Raises:
            ApiProblem: `not_yet`, where they have not within `WAIT_S`.
            psycopg.OperationalError: no connection is free within `timeout_s`.
        """
        if after is not None and not self._has_seen(after):
            raise ApiProblem("not_yet")
        with self._models.connection(timeout_s) as connection:
            yield connection

    def _has_seen(self, position: int) -> bool:
        if self._seen.wait_for(position, 0):
            return True
        # What is not in the log is not worth a waiting thread: no write has answered with it.
        return position <= self._book.head() and self._seen.wait_for(position, WAIT_S)

    @contextlib.contextmanager
    def log(self, *, timeout_s: float = CONNECT_S) -> Iterator[Connection[Any]]:
        """Lend a connection that reads the log as it is stored.

        Raises:
            psycopg.OperationalError: none is free within `timeout_s`.
        """
        with self._log.connection(timeout_s) as connection:
            yield connection


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of a message that no secret of ours had signed."""

    at: datetime
    route: str
    code: str
    head: bytes
    size: int


class Unverified:
    """Messages that did not verify: all are counted, the newest sampled, none kept whole."""

    def __init__(self, metrics: Metrics) -> None:
        self.samples: deque[Sample] = deque(maxlen=SAMPLES_MAX)
        self._count = Counter(
            "counterfoil_webhooks_refused",
            "Webhooks that did not verify, by route and code",
            ("route", "code"),
            registry=metrics.registry,
        )

    def add(self, route: str, code: str, raw: bytes, at: datetime) -> None:
        """Count one, and keep its beginning: at most half of it, without card numbers."""
        self._count.labels(route, code).inc()
        # A flood of large ones costs no more than small ones: only what is kept is looked at.
        head = masked(raw[: 2 * SAMPLE_BYTES])[: min(SAMPLE_BYTES, len(raw) // 2)]
        self.samples.append(Sample(at, route, code, head, len(raw)))


@dataclass(slots=True)
class Front:
    """Everything that a route reaches.

    Attributes:
        wall: the time on the wall, by which tokens and signatures are judged; the house may play
            another day.
    """

    house: House
    reads: Reads
    metrics: Metrics
    wall: Callable[[], datetime] = wall_clock
    unverified: Unverified = field(init=False)
    waiting: int = 0
    """Commands at our doors that the book has not answered yet."""

    def __post_init__(self) -> None:
        """Count where the other counters are."""
        self.unverified = Unverified(self.metrics)

    async def submit(self, command: Command) -> Receipt:
        """Submit a command and await what stands in the log because of it."""
        self.waiting += 1
        try:
            with span("command"):
                receipt = await self.house.book.asubmit(command)
            tell_recorded(command, receipt)
            return receipt
        finally:
            self.waiting -= 1


async def _front(request: Request) -> Front:
    front = request.app.state.front
    assert isinstance(front, Front), "an app that serves has a house behind it"
    return front


AtFront = Annotated[Front, Depends(_front)]
"""Gives a route the house."""


def _pool(dsn: Callable[[], str], name: str) -> ConnectionPool[Connection[Any]]:
    def in_utc() -> str:
        now = dsn()
        given = conninfo_to_dict(now).get("options")
        return make_conninfo(now, options=f"{given or ''} -c TimeZone=UTC")

    return ConnectionPool(
        in_utc,
        name=name,
        min_size=0,
        max_size=READERS_MAX,
        timeout=CONNECT_S,
        open=False,
        kwargs={"autocommit": True},
    )
