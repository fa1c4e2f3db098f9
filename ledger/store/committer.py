"""Group commit: one thread, one writing connection; an append serves every command that waits.

    take the batch ─ load what is cold ─ lock ─ see what others appended ─ decide, chain and write
    each command ─ commit ─ merge into the committed states ─ answer every caller

Only after COMMIT is anything of the batch believed. When the connection goes, the log tells what
became of the batch: under the lock its first row stands there, or it never will.
"""

from __future__ import annotations

from threading import Event as Flag
from threading import Thread, current_thread
from time import monotonic
from typing import TYPE_CHECKING, Final

import psycopg

from ledger.decision import Receipt
from ledger.errors import Busy, LogUnreadable, OutcomeUnknown
from ledger.store.chain import Broken
from ledger.store.desk import answer
from ledger.store.limits import (
    AILING_S,
    BATCH_MAX,
    LOSSES_MAX,
    RECONNECT_DELAYS_S,
    RECONNECT_S_MAX,
    REHEARSALS_MAX,
    RETRY_AFTER_S,
    STUCK_S,
)

if TYPE_CHECKING:
    from ledger.store.appender import Appender
    from ledger.store.desk import Desk, Job
    from ledger.store.round import Round
    from ledger.store.session import Session

NOBODYS_FAULT: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DiskFull,
    psycopg.errors.IoError,
)
"""What says nothing against any command of a batch: all of them may come again."""


class Committer:
    """Takes commands from the desk, has them appended, and knows the three outcomes.

    Done: the transaction is committed. Refused: the connection lives, so nothing is committed.
    Unknown: the connection went while COMMIT was on its way, and the log has to be asked.
    """

    def __init__(self, desk: Desk, session: Session, appender: Appender) -> None:
        self._desk = desk
        self._session = session
        self._appender = appender
        self._halted: str | None = None
        self._begun: float | None = None
        self._failed: float | None = None
        self._closing = Flag()
        self._thread = Thread(target=self._run, name="book-committer", daemon=True)

    @property
    def ailing(self) -> bool:
        """Whether the database would not take an append just now, or lets one wait for long."""
        begun, failed, now = self._begun, self._failed, monotonic()
        return (
            self._halted is not None
            or (begun is not None and now - begun > STUCK_S)
            or (failed is not None and now - failed < AILING_S)
        )

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Serve who waits, then stop."""
        self._closing.set()
        self._desk.close()
        if self._thread.is_alive() and self._thread is not current_thread():
            self._thread.join()

    def _run(self) -> None:
        while jobs := self._desk.take(BATCH_MAX):
            self._begun = monotonic()
            self.serve(jobs)
            self._begun = None
        self._session.close()

    def serve(self, jobs: list[Job]) -> None:
        """Answer these jobs. Whatever happens, each gets exactly one answer."""
        losses = 0
        while jobs:
            if len(jobs) > 1 and max(job.rehearsals for job in jobs) > REHEARSALS_MAX:
                self._one_by_one(jobs)
                return
            try:
                jobs = self._append(jobs)
            except psycopg.Error as error:
                losses += 1
                jobs = self._recover(jobs, error, losses)
            except (LogUnreadable, Broken) as error:
                self._halted = str(error)
                self._session.roll_back()
                self._fail(jobs, error)
                return
            except Exception as error:  # a fault of ours: the thread outlives it
                self._session.close()
                self._fail(jobs, error)
                return

    def _append(self, jobs: list[Job]) -> list[Job]:
        if self._halted is not None:
            raise LogUnreadable(self._halted)
        return self._appender.append(jobs)

    def _recover(self, jobs: list[Job], error: psycopg.Error, losses: int) -> list[Job]:
        """Find out what became of the batch; return the jobs that are to be served again."""
        if self._session.roll_back():
            self._appender.committing = None
            if isinstance(error, NOBODYS_FAULT):
                return self._fail(jobs, error)
            return self._refuse(jobs, error)
        batch = self._appender.committing
        try:
            committed = self._stands(batch)
        except psycopg.Error:
            return self._fail(jobs, error)
        if batch is not None and committed:
            return self._appender.settle(jobs, batch)
        self._appender.committing = None
        return jobs if losses < LOSSES_MAX else self._refuse(jobs, error)

    def _refuse(self, jobs: list[Job], error: psycopg.Error) -> list[Job]:
        """The database will not have this batch: only the guilty command fails."""
        if len(jobs) > 1:
            return self._one_by_one(jobs)
        jobs[0].outcome = error
        answer(jobs)
        return []

    def _one_by_one(self, jobs: list[Job]) -> list[Job]:
        for job in jobs:
            self.serve([job])
        return []

    def _stands(self, batch: Round | None) -> bool:
        """Reconnect, and tell whether the batch is in the log. Its digest is nobody else's."""
        last_look = monotonic() + RECONNECT_S_MAX
        for delay_s in RECONNECT_DELAYS_S[:-1]:
            self._closing.wait(delay_s)
            try:
                return self._look_up(batch)
            except psycopg.Error:
                self._session.close()
            if monotonic() > last_look:
                break
        self._closing.wait(RECONNECT_DELAYS_S[-1])
        return self._look_up(batch)

    def _look_up(self, batch: Round | None) -> bool:
        if batch is None or batch.first is None:
            self._session.newest()
            return False
        return self._session.stands(batch.first)

    def _fail(self, jobs: list[Job], error: Exception) -> list[Job]:
        """Answer without knowing better: what may stand in the log is unknown, the rest is not."""
        self._failed = monotonic()
        batch, self._appender.committing = self._appender.committing, None
        uncertain = batch.first.position if batch and batch.first else None
        for job in jobs:
            told = job.outcome
            if job.answered:
                continue
            if uncertain and isinstance(told, Receipt) and told.position >= uncertain:
                job.outcome = OutcomeUnknown("the connection went during the commit")
            elif isinstance(error, psycopg.Error):
                job.outcome = Busy("the book cannot append now", retry_after_s=RETRY_AFTER_S)
            else:
                job.outcome = error
        answer(jobs)
        return []
