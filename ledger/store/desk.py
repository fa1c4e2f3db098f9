"""Where commands wait for the book, and where their callers get the answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from concurrent.futures import Future
from threading import Condition
from typing import TYPE_CHECKING

from ledger.errors import Busy
from ledger.store.limits import RETRY_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.decision import Command, Receipt

    Waiter = Future[Receipt] | asyncio.Future[Receipt]
    Outcome = Receipt | Exception


class Job:
    """One waiting command, and whom to answer."""

    __slots__ = ("answered", "command", "future", "loop", "outcome", "rehearsals")

    def __init__(
        self,
        command: Command,
        future: Waiter,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.command = command
        self.future = future
        self.loop = loop
        self.outcome: Outcome | None = None
        self.rehearsals = 0
        self.answered = False


class Desk:
    """A bounded queue with two doors: `submit` for threads, `queue` for event loops."""

    def __init__(self, queue_max: int) -> None:
        self._queue_max = queue_max
        self._jobs: deque[Job] = deque()
        self._coming: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        self._changed = Condition()
        self._closed = False

    def submit(self, command: Command) -> Receipt:
        """Queue a command and wait for its answer.

        Raises:
            Busy: the queue is full, or the book is closing.
        """
        future: Future[Receipt] = Future()
        self._check_room()
        self._put([Job(command, future)])
        return future.result()

    def queue(self, command: Command) -> asyncio.Future[Receipt]:
        """Queue a command of the running event loop; the answer comes in the future.

        What the tasks of a loop submit in one turn of it is handed over together, once.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        self._check_room()
        coming = self._coming.get(loop)
        if coming is None:
            coming = self._coming[loop] = []
            loop.call_soon(self._hand_over, loop)
        coming.append(Job(command, future, loop))
        return future

    def take(self, jobs_max: int) -> list[Job]:
        """Wait for commands and take them. Empty: the desk is closed and nobody waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            return [self._jobs.popleft() for _ in range(min(jobs_max, len(self._jobs)))]

    def close(self) -> None:
        """Let nobody in any more; those who wait are still served."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        self._put(self._coming.pop(loop))

    def _check_room(self) -> None:
        waiting = len(self._jobs) + sum(map(len, tuple(self._coming.values())))
        if self._closed or waiting >= self._queue_max:
            raise Busy("the book is busy", retry_after_s=RETRY_AFTER_S)

    def _put(self, jobs: list[Job]) -> None:
        with self._changed:
            if not self._closed:
                self._jobs.extend(jobs)
                self._changed.notify()
                return
        for job in jobs:
            job.outcome = Busy("the book is closing", retry_after_s=RETRY_AFTER_S)
        answer(jobs)


def answer(jobs: Iterable[Job]) -> None:
    """Give every caller its outcome, once; a loop is woken once for all of its callers."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiter, Outcome]]] = {}
    for job in jobs:
        assert job.outcome is not None, "answered without an outcome"
        if job.answered:
            continue
        job.answered = True
        if job.loop is None:
            _settle(job.future, job.outcome)
        else:
            by_loop.setdefault(job.loop, []).append((job.future, job.outcome))
    for loop, theirs in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody listens
            loop.call_soon_threadsafe(_settle_all, theirs)


def _settle_all(answers: list[tuple[Waiter, Outcome]]) -> None:
    for future, outcome in answers:
        _settle(future, outcome)


def _settle(future: Waiter, outcome: Outcome) -> None:
    if future.done():  # the caller has left; what was recorded stands all the same
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
