"""One append: load, lock, catch up, decide, write, commit; and only then believe it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import psycopg

from ledger.errors import LogUnreadable
from ledger.store.chain import Link, follow, micros
from ledger.store.desk import answer
from ledger.store.limits import (
    CATCH_UP_MAX,
    CHUNK_COMMANDS,
    REHEARSALS_MAX,
    SNAPSHOT_EVERY,
)
from ledger.store.overlay import Cold, Overlay
from ledger.store.round import Round
from ledger.store.rows import event_of
from ledger.store.snapshots import is_due, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from ledger.decision import Event, Receipt, Stream
    from ledger.store.chain import Row
    from ledger.store.codec import Vocabulary
    from ledger.store.desk import Job
    from ledger.store.loading import Loader
    from ledger.store.session import Session
    from ledger.store.states import Known, States
    from ledger.store.watch import Head


class Appender:
    """Serves a batch of jobs in one transaction, on states that are committed and no others.

    `committing` is the batch whose COMMIT was sent and not yet answered.
    """

    def __init__(
        self,
        session: Session,
        loader: Loader,
        vocabulary: Vocabulary,
        states: States,
        beginning: Link,
        watched: Head,
        clock: Callable[[], datetime],
    ) -> None:
        self.committing: Round | None = None
        self._session = session
        self._loader = loader
        self._vocabulary = vocabulary
        self._states = states
        self._beginning = beginning
        self._watched = watched
        self._clock = clock
        self._head: Link | None = None

    def append(self, jobs: list[Job]) -> list[Job]:
        """Serve the jobs in one transaction; return those that met a cold stream."""
        head = self._warm(jobs)
        keys = [job.command.key for job in jobs if job.command.key is not None]
        seen = self._session.begin(head, keys)
        if not self._catch_up(head, seen.since):
            self._session.roll_back()
            return jobs
        answers = self._answers(seen.keyed)
        assert self._head is not None
        now_us = micros(self._clock())
        batch = Round(self._head, now_us, self._vocabulary, self._states, answers)
        self._session.copy_in(self._decide(jobs, batch))
        if batch.first is None and not batch.bodies:
            self._session.roll_back()
        else:
            self.committing = batch
            self._session.commit(batch.bodies)
        return self.settle(jobs, batch)

    def _warm(self, jobs: list[Job]) -> Link:
        """Load, before the lock, what the jobs name and what those put back turned out to need."""
        if self._head is None:
            newest = self._session.newest()
            self._head = (
                Link(newest.position, newest.digest, newest.recorded_us)
                if newest
                else self._beginning
            )
        peek = self._states.peek
        cold = [s for job in jobs for s in job.command.names if peek(s.id) is None]
        if cold:
            self._states.merge(self._loader.load(self._session.connection, cold))
        for job in jobs:
            if job.rehearsals:
                self._rehearse(job)
        return self._head

    def _rehearse(self, job: Job) -> None:
        """Run the decision for the streams that it meets, and throw away what it decides.

        Decisions are pure, so a command that follows its streams from one to the next is warm
        after one rehearsal, however many they are, and the lock is never held for a load.
        """
        overlay = Overlay(job.command.at, self._states.get, self._load)
        with contextlib.suppress(Exception):
            job.command.decide(overlay)

    def _load(self, stream: Stream[Any]) -> Known:
        loaded = self._loader.load(self._session.connection, [stream])
        self._states.merge(loaded)
        return loaded[stream.id]

    def _catch_up(self, head: Link, since: list[Row]) -> bool:
        """Fold what others appended after our head. False: too much; begin at the newest row.

        Raises:
            LogUnreadable: an unknown name or version, or a log that is not the one we have seen.
        """
        if head.position:
            if not since or since[0].digest != head.digest:
                raise LogUnreadable(f"position {head.position} is not what this program has seen")
            since = since[1:]
        if len(since) > CATCH_UP_MAX:
            self._states.clear()
            self._head = None
            return False
        for row in since:
            head = follow(head, row)
            fact = self._vocabulary.decode(row.name, row.state).data
            known = self._states.peek(row.stream)
            if known is not None and row.version > known.version:
                assert row.version == known.version + 1, f"{row.stream} lacks {known.version + 1}"
                self._states.merge({row.stream: known.then(fact)})
        self._head = head
        return True

    def _answers(self, keyed: list[Row]) -> dict[bytes, tuple[Event, ...]]:
        """Read what the log answers to requests that it already holds."""
        ranges = {}
        for row in keyed:
            count = self._vocabulary.decode(row.name, row.state).n
            ranges[row.key or b""] = range(row.position, row.position + count)
        wanted = [position for positions in ranges.values() for position in positions]
        rows = self._session.rows_at(wanted) if wanted else []
        events = {row.position: event_of(row, self._vocabulary) for row in rows}
        return {
            key: tuple(events[position] for position in positions)
            for key, positions in ranges.items()
        }

    def _decide(self, jobs: list[Job], batch: Round) -> Iterator[list[Row]]:
        """Decide the jobs; give the rows of so many at a time."""
        for count, job in enumerate(jobs, start=1):
            job.outcome = self._outcome(job, batch)
            if batch.rows and count % CHUNK_COMMANDS == 0:
                yield batch.take_rows()
        if batch.rows:
            yield batch.take_rows()

    def _outcome(self, job: Job, batch: Round) -> Receipt | Exception | None:
        load = self._load if job.rehearsals > REHEARSALS_MAX else None
        try:
            return batch.decide(job.command, load)
        except Cold:
            return None
        except (psycopg.Error, LogUnreadable):  # from a load: of the whole batch
            raise
        except StopIteration as error:  # a future cannot carry it
            return RuntimeError(repr(error))
        except Exception as error:
            return error
        except BaseException as error:  # a decision cannot end the thread that serves everybody
            return RuntimeError(repr(error))

    def settle(self, jobs: list[Job], batch: Round) -> list[Job]:
        """The batch is committed: believe it, answer, and return the jobs that were put back."""
        self.committing = None
        due = self._due_snapshots(batch)
        self._states.merge(batch.changed)
        self._states.trim()
        self._head = batch.head
        self._watched.advance(batch.head.position)
        answer(job for job in jobs if job.outcome is not None)
        if batch.first is not None:
            self._follow_up(batch.head.position, due)
        again = [job for job in jobs if job.outcome is None]
        for job in again:
            job.rehearsals += 1
        return again

    def _due_snapshots(self, batch: Round) -> list[tuple[UUID, Known]]:
        due = []
        for stream, known in batch.changed.items():
            if known.version < SNAPSHOT_EVERY:
                continue  # as nearly all are
            before = self._states.peek(stream)
            if is_due(before.version if before else 0, known.version):
                due.append((stream, known))
        return due

    def _follow_up(self, position: int, due: list[tuple[UUID, Known]]) -> None:
        """Do what the answered callers need not wait for.

        A lost notification costs followers one poll, a lost snapshot a longer load.
        """
        with contextlib.suppress(psycopg.Error):
            self._session.tell(position)
            if due:
                self._session.keep_snapshots([snapshot_of(stream, known) for stream, known in due])
