"""Webhooks out of the simulated Stripe: signed, doubled, shuffled, delayed, lost and retried."""

from __future__ import annotations

import heapq
import http.client
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from adapters.psp.stripe.webhook import sign

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from adapters.psp.stripe.simulator.world import Emitted

ATTEMPTS_MAX: Final = 16
"""Stripe tries for three days, ever more slowly."""
RETRY_FIRST: Final = timedelta(minutes=5)
RETRY_MAX: Final = timedelta(hours=6)
COURIER_PAUSE_S: Final = 0.05
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
_PERCENT: Final = 100
_TIMEOUT_S: Final = 30.0
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Plan:
    """How badly the post works, in percent of the events, drawn from the seed.

    Attributes:
        duplicated_pct: sent twice or more.
        lost_pct: never sent; only the list of events has them.
        late_pct: held back by up to `late_by`.
        shuffled_by: every message may overtake others emitted within this time.
    """

    duplicated_pct: int = 0
    lost_pct: int = 0
    late_pct: int = 0
    late_by: timedelta = timedelta(hours=6)
    shuffled_by: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages go. No `types` means all."""

    url: str
    secret: str = field(repr=False)
    types: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a round of deliveries."""

    accepted: int
    refused: int
    lost: int
    waiting: int
    given_up: int


@dataclass(order=True, slots=True)
class _Message:
    due: datetime
    number: int
    body: bytes = field(compare=False)
    endpoint: Endpoint = field(compare=False)
    attempts: int = field(default=0, compare=False)


def wall_clock() -> datetime:
    """The time on the wall: signatures carry it, whatever day the simulation plays."""
    return datetime.now(UTC)


class Post:
    """The queue of messages. Nothing leaves it but by `deliver`."""

    def __init__(
        self,
        seed: int,
        clock: Callable[[], datetime],
        plan: Plan,
        signed_at: Callable[[], datetime] = wall_clock,
    ) -> None:
        """Begin with no endpoint: what happens before there is one is only listed."""
        self.plan = plan
        self.paused = False
        self.lost = 0
        self.given_up = 0
        self._clock = clock
        self._signed_at = signed_at
        self._endpoints: list[Endpoint] = []
        self._rolled: dict[str, str] = {}
        self._queue: list[_Message] = []
        self._numbers = 0
        self._lock = threading.Lock()
        # The same letters must go astray in every run of a seed: no place for a secret.
        self._chance = random.Random(f"post/{seed}")  # noqa: S311

    def send_to(self, endpoint: Endpoint) -> None:
        """Add an endpoint on this machine: a simulation writes to nobody else."""
        assert urlsplit(endpoint.url).hostname in _LOOPBACK, f"{endpoint.url} is not loopback"
        self._endpoints.append(endpoint)

    def roll(self, url: str, secret: str) -> None:
        """Sign what leaves for an endpoint from now on with another secret, waiting or not."""
        self._rolled[url] = secret

    def take(self, event: Emitted) -> None:
        """Put an event into the queue, as often and as late as the plan has it."""
        for endpoint in self._endpoints:
            if not endpoint.types or event.type in endpoint.types:
                with self._lock:
                    self._plan(event, endpoint)

    def deliver(self, *, only_due: bool = False, workers: int = 1) -> Sent:
        """Send what waits, in the order in which it is due, each message once.

        A message that is not accepted stays in the queue with a later time. Events that arise
        meanwhile wait for the next round.

        Args:
            only_due: leave what is due later than now.
            workers: how many connections send at the same time.
        """
        if self.paused:
            return self._sent(0, 0)
        with self._lock:
            now = self._clock()
            batch = sorted(m for m in self._queue if m.due <= now or not only_due)
            self._queue = [m for m in self._queue if m.due > now and only_due]
            heapq.heapify(self._queue)
        shares = [batch[first::workers] for first in range(workers)]
        with ThreadPoolExecutor(workers) as pool:
            refused = sorted(chain.from_iterable(pool.map(self._carry, shares)))
        for message in refused:
            self._again(message)
        return self._sent(len(batch) - len(refused), len(refused))

    def _carry(self, share: list[_Message]) -> list[_Message]:
        with _Lines(self._rolled) as lines:
            return [m for m in share if not lines.post(m, self._signed_at())]

    def _sent(self, accepted: int, refused: int) -> Sent:
        return Sent(accepted, refused, self.lost, len(self._queue), self.given_up)

    def _plan(self, event: Emitted, endpoint: Endpoint) -> None:
        chance, plan = self._chance, self.plan
        if chance.randrange(_PERCENT) < plan.lost_pct:
            self.lost += 1
            return
        copies = 1
        if chance.randrange(_PERCENT) < plan.duplicated_pct:
            copies += 1 + chance.randrange(2)
        for _ in range(copies):
            wait = plan.shuffled_by * (chance.randrange(1000) / 1000)
            if chance.randrange(_PERCENT) < plan.late_pct:
                wait += plan.late_by * (chance.randrange(1000) / 1000)
            self._numbers += 1
            message = _Message(self._clock() + wait, self._numbers, event.body, endpoint)
            heapq.heappush(self._queue, message)

    def _again(self, message: _Message) -> None:
        message.attempts += 1
        with self._lock:
            if message.attempts >= ATTEMPTS_MAX:
                self.given_up += 1
                return
            message.due = self._clock() + min(RETRY_MAX, RETRY_FIRST * 2 ** (message.attempts - 1))
            heapq.heappush(self._queue, message)


class Courier:
    """Delivers what is due again and again, in a thread of its own."""

    def __init__(self, deliver: Callable[[], Sent]) -> None:
        """Wait for `start`."""
        self._deliver = deliver
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stripe-courier", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(COURIER_PAUSE_S):
            self._deliver()


class _Lines:
    """Kept-alive connections for one round of deliveries, one per host."""

    def __init__(self, rolled: Mapping[str, str]) -> None:
        self._rolled = rolled
        self._open: dict[str, http.client.HTTPConnection] = {}

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._open.values():
            line.close()

    def post(self, message: _Message, now: datetime) -> bool:
        """Send one message; only a 2xx accepts it."""
        time = str(int(now.timestamp()))
        secret = self._rolled.get(message.endpoint.url, message.endpoint.secret)
        signature = sign(message.body, secret, time)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": f"t={time},v1={signature},v0={'0' * 64}",
            "User-Agent": "Stripe/1.0 (simulator)",
        }
        where = urlsplit(message.endpoint.url)
        line = self._open.get(where.netloc)
        if line is None:
            line = http.client.HTTPConnection(where.netloc, timeout=_TIMEOUT_S)
            self._open[where.netloc] = line
        try:
            line.request("POST", where.path or "/", message.body, headers)
            with line.getresponse() as answer:
                answer.read()
                return answer.status in _OK
        except (OSError, http.client.HTTPException):
            line.close()
            return False
