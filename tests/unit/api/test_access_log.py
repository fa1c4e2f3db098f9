"""Records are written together, and each of them has its own fate."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from api.house.vocabulary import ACCESS
from api.records.access_log import AccessLog
from api.records.access_record import AccessRecord
from api.records.access_words import Action, Outcome
from ledger.access import AccessRecorded
from ledger.decision import Command, Receipt
from ledger.errors import Busy, LogUnreadable
from ledger.store.limits import STATE_BYTES_MAX
from ledger.store.memory import MemoryBook
from tests.unit.api.small_house import ENTITY

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


class SlowBook(MemoryBook):
    """An append takes a while, as on a disk; what is asked meanwhile can only wait."""

    def __init__(self) -> None:
        super().__init__(ENTITY, ACCESS, clock=lambda: AT, log="access")
        self.appends = 0
        self.refusing: Exception | None = None

    async def asubmit(self, command: Command) -> Receipt:
        await asyncio.sleep(0.001)
        if self.refusing is not None:
            raise self.refusing
        self.appends += 1
        return self.submit(command)


def record(number: int, target: str = "") -> AccessRecord:
    return AccessRecord(
        at=AT,
        subject=f"person:{number}",
        action=Action.READ,
        outcome=Outcome.GRANTED,
        target=target,
    )


def written(book: MemoryBook) -> list[str]:
    facts = [event.fact for event in book.events_after(0, 10_000)]
    return [fact.subject for fact in facts if isinstance(fact, AccessRecorded)]


def write_all(book: SlowBook, records: list[AccessRecord]) -> list[Any]:
    async def run() -> list[Any]:
        log = AccessLog(book)
        return await asyncio.gather(*map(log.write, records), return_exceptions=True)

    return asyncio.run(run())


def test_records_of_a_crowd_share_their_appends() -> None:
    book = SlowBook()
    answers = write_all(book, [record(number) for number in range(300)])

    assert answers == [None] * 300
    assert written(book) == [f"person:{number}" for number in range(300)]
    assert book.appends <= 4
    assert book.verify().ok


def test_who_is_alone_is_written_alone() -> None:
    book = SlowBook()
    for number in range(3):
        write_all(book, [record(number)])

    assert book.appends == 3


def test_a_record_that_cannot_be_kept_harms_no_other() -> None:
    book = SlowBook()
    broken = record(1, target="x" * STATE_BYTES_MAX)
    answers = write_all(book, [record(0), broken, record(2)])

    assert [type(answer) for answer in answers] == [type(None), AssertionError, type(None)]
    assert written(book) == ["person:0", "person:2"]


@pytest.mark.parametrize("error", [Busy("full", retry_after_s=1), LogUnreadable("another log")])
def test_where_nothing_can_be_written_everybody_is_told(error: Exception) -> None:
    book = SlowBook()
    book.refusing = error
    answers = write_all(book, [record(number) for number in range(5)])

    assert answers == [error] * 5
    assert written(book) == []


def test_who_leaves_early_takes_nobody_along() -> None:
    book = SlowBook()

    async def run() -> None:
        log = AccessLog(book)
        gone = asyncio.create_task(log.write(record(0)))
        stays = asyncio.create_task(log.write(record(1)))
        await asyncio.sleep(0)
        gone.cancel()
        await stays

    asyncio.run(run())

    assert written(book) == ["person:0", "person:1"]
