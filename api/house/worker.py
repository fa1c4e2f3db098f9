"""The worker: follows the book, and does what the log says is begun and not finished.

What it has to do is folded from the log at its start, so it can be killed between any two steps.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from api.house.logs import bound
from api.house.traces import span
from api.records.access_log import ACTING, Acting
from api.records.access_words import Outcome
from api.records.rounds import Acted, parts_of, round_record
from ledger.errors import LogUnreachable, OutcomeUnknown, Refusal
from payments.reactors.due import due
from payments.reactors.notices import NotYet
from payments.reactors.outstanding import Outstanding

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from api.records.access_record import AccessRecord
    from ledger.book import AnyBook
    from payments.reactors.desk import Desk
    from payments.reactors.due import Job

LOG: Final = logging.getLogger("counterfoil.worker")
BATCH_EVENTS: Final = 2_000
BATCH_JOBS: Final = 256
REMEMBERED_MAX: Final = 20_000
HANDS: Final = 16
"""Conversations that go on at the same time."""
IDLE_S: Final = 0.25
FAILURES_MAX: Final = 5
"""A message that fails this often, other than by waiting, is set aside for a person."""


class Worker:
    """Talks to the outside on behalf of one book."""

    def __init__(
        self,
        desk: Desk,
        book: AnyBook,
        *,
        tell: Callable[[AccessRecord], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        hands: int = HANDS,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            tell: writes an access record durably, or raises: then the round is not begun.
            now: the time on the wall, whatever day the books play.
        """
        self.outstanding = Outstanding()
        self._acted = Acted(desk.book)
        self._desk, self._book, self._tell = replace(desk, book=self._acted), book, tell
        self._now = now
        self._position = 0
        self._tried: dict[Hashable, datetime] = {}
        self._failures: Counter[Hashable] = Counter()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._hands = ThreadPoolExecutor(hands, thread_name_prefix="hand")

    def start(self) -> None:
        """Work in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand, then end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._hands.shutdown()

    @property
    def position(self) -> int:
        """How far the log is folded."""
        return self._position

    def catch_up(self) -> None:
        """Fold what the log holds beyond what was seen."""
        while events := self._book.events_after(self._position, BATCH_EVENTS):
            for event in events:
                self.outstanding.see(event)
            self._position = events[-1].position

    def round(self) -> int:
        """Do what is due now, several conversations at a time; returns how much that was."""
        self.catch_up()
        ready = (job for job in due(self.outstanding, self._desk) if self._is_rested(job))
        jobs = list(islice(ready, BATCH_JOBS))
        if not jobs:
            return 0
        acting = Acting(self._desk.by, uuid4().hex)
        self._record(jobs, acting, Outcome.BEGUN)
        now = self._desk.clock()
        for job in jobs:
            self._tried[job.name] = now
        for done in [self._hands.submit(self._do, job, acting) for job in jobs]:
            done.result()
        if len(self._tried) > REMEMBERED_MAX:
            self._tried.clear()
        self._record(jobs, acting, Outcome.GRANTED)
        return len(jobs)

    def _record(self, jobs: list[Job], acting: Acting, outcome: Outcome) -> None:
        self._tell(
            round_record(
                [job.name for job in jobs],
                at=self._now(),
                subject=acting.subject,
                request_id=acting.request_id,
                outcome=outcome,
                clients=self._acted.take(),
            )
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self.round():
                    self._book.wait(self._position + 1, IDLE_S)
            except Exception:
                # Whatever it is, the log still says what is to be done: say so, and try again.
                LOG.exception("the worker's round failed")
                self._stop.wait(IDLE_S)

    def _is_rested(self, job: Job) -> bool:
        last = self._tried.get(job.name)
        return last is None or self._desk.clock() - last >= job.pause

    def _do(self, job: Job, acting: Acting) -> None:
        ACTING.set(acting)
        parts = parts_of(job.name)
        told = " ".join(str(part) for part in parts)
        with bound(request_id=acting.request_id, job=told), span("reactor", kind=str(parts[0])):
            self._act(job)

    def _act(self, job: Job) -> None:
        try:
            job.act()
        except (Refusal, NotYet, OutcomeUnknown, LogUnreachable) as later:
            LOG.info("%s waits: %s", job.name, later)
        except Exception:
            LOG.exception("%s failed", job.name)
            self._failures[job.name] += 1
            if job.give_up is not None and self._failures[job.name] >= FAILURES_MAX:
                # What cannot be done by us is kept, and told to a person.
                job.give_up()
