"""How long the book looks for a database that went."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, cast

import psycopg
import pytest

from ledger.errors import Busy
from ledger.store import committer
from ledger.store.committer import Committer
from ledger.store.desk import Desk, Job
from ledger.store.limits import RECONNECT_DELAYS_S
from tests.unit.ledger.store.counter import add

if TYPE_CHECKING:
    from ledger.store.appender import Appender
    from ledger.store.session import Session


class Gone:
    """A database that never comes back, as the committer meets it."""

    committing = None

    def __init__(self) -> None:
        self.looks = 0

    def append(self, jobs: list[Job]) -> list[Job]:
        raise psycopg.OperationalError(f"lost with {len(jobs)} jobs")

    def roll_back(self) -> bool:
        return False

    def newest(self) -> None:
        self.looks += 1
        raise psycopg.OperationalError("nobody there")

    def close(self) -> None:
        """Nothing is open."""


def looks_until_given_up() -> int:
    gone, job = Gone(), Job(add("a", 1), Future())
    Committer(Desk(1), cast("Session", gone), cast("Appender", gone)).serve([job])
    assert isinstance(job.future.exception(), Busy)
    return gone.looks


def test_a_server_that_refuses_is_asked_as_often_as_there_are_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committer, "RECONNECT_DELAYS_S", (0.0,) * 7)
    assert looks_until_given_up() == 7


def test_a_silent_host_is_given_up_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "RECONNECT_DELAYS_S", (0.0,) * 7)
    monkeypatch.setattr(committer, "RECONNECT_S_MAX", -1)
    assert looks_until_given_up() == 2


def test_a_server_that_is_back_is_found_within_half_a_second_for_a_quarter_of_a_minute() -> None:
    assert max(RECONNECT_DELAYS_S) == 0.5
    assert sum(RECONNECT_DELAYS_S) == pytest.approx(15.85)
