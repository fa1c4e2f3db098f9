"""The worker: what fails is tried again, what keeps failing is given to a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.house.worker import FAILURES_MAX, Worker
from payments.facts import ReviewOpened
from payments.reactors import notices
from tests.simulation.play import playing


def test_a_message_that_cannot_be_merged_is_set_aside_for_a_person(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("a bug of ours")

    with playing() as day:
        day.client_comes()
        day.sim.pay(day.deposit(1, "10.00", "EUR"))
        worker = Worker(day.desk, day.book, tell=lambda _: None, hands=1)
        monkeypatch.setattr(notices, "apply", broken)
        for _ in range(FAILURES_MAX + 3):
            worker.round()
            day.clock.advance(timedelta(minutes=6))
        worker.stop()
        reviews = [
            event.fact
            for event in day.book.events_after(0, 1_000)
            if isinstance(event.fact, ReviewOpened)
        ]
        assert len(reviews) >= 1
        assert not worker.outstanding.notices
        assert "a bug of ours" in caplog.text


def test_control_a_message_that_merges_needs_nobody() -> None:
    with playing() as day:
        day.client_comes()
        day.sim.pay(day.deposit(1, "10.00", "EUR"))
        worker = Worker(day.desk, day.book, tell=lambda _: None, hands=1)
        for _ in range(3):
            worker.round()
            day.clock.advance(timedelta(minutes=6))
        worker.stop()
        facts = [event.fact for event in day.book.events_after(0, 1_000)]
        assert not any(isinstance(fact, ReviewOpened) for fact in facts)
