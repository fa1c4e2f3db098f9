"""The worker dies before its first call, its second, its third … and another takes over.

Every call to the provider, every append to the book and every access record is a step, found by
being taken. A worker dies before each of them in turn, which is after the one ahead of it; the next
worker knows the log and nothing else. What stands at the simulated Stripe in the end is counted
there, and our books with it.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from api.house.worker import Worker
from payments.ports import Accepted, Unknown
from tests.faults.mortal import Killed, Life, Mortal, mortal
from tests.simulation.play import MERCHANT, Play, playing

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.fault

ROUNDS = 8
"""Minutes of a worker's life: a look-up may prove something after three of them."""
DEPOSIT, REFUNDED, PAID_OUT = 2, 110, 111
READS = frozenset({"events_after", "event", "state", "body", "head", "wait"})
"""What the book is only asked: nobody outside can tell one side of it from the other."""
EFFECTS = ("payment_intent", "refund", "outbound_payment")
ONCE = Counter({"payment_intent": 2, "refund": 1, "outbound_payment": 1})


def worker_of(day: Play, life: Life, provider: Any = None) -> Worker:
    """Put a worker at the desk whose every step is one of its life."""
    book = Mortal(day.book, life, READS)
    provided = Mortal(provider or day.stripe, life)
    desk = replace(day.desk, book=book, providers={("stripe", MERCHANT): provided})
    return Worker(desk, book, tell=mortal([].append, life, "record"), hands=1)


def work(day: Play, life: Life, provider: Any = None) -> None:
    """Let one worker live, until the work is done or its life is over."""
    worker = worker_of(day, life, provider)
    try:
        for _ in range(ROUNDS):
            worker.round()
            day.clock.advance(timedelta(minutes=1))
            day.sim.run_due()
    except Killed:
        day.clock.advance(timedelta(minutes=1))
    finally:
        worker.stop()


def begun(day: Play) -> None:
    """Make a day on which everything is asked for and nothing is done: all of it is the worker's.

    A deposit is announced, a refund and a payout to a bank are cleared.
    """
    day.client_comes()
    day.sim.pay(day.deposit(1, "1000.00", "EUR"))
    day.segment()
    day.announce(DEPOSIT, "50.00", "GBP")
    day.ask(REFUNDED, "200.00", day.to_card(1, "EUR"))
    day.ask(PAID_OUT, "100.00", day.to_bank("EUR"))


def effects(day: Play) -> Counter[str]:
    """Count what stands at the provider."""
    return Counter({kind: len(day.sim.world.objects[kind]) for kind in EFFECTS})


def day_with_a_death(
    steps: int | None, provide: Callable[[Play], Any] = lambda day: day.stripe
) -> tuple[Life, Counter[str], dict[tuple[str, str], int]]:
    """Play the day with one worker that dies before that step, and one that does not."""
    with playing() as day:
        begun(day)
        life, provider = Life(steps), provide(day)
        work(day, life, provider)
        if steps is not None:
            work(day, Life(), provider)
        return life, effects(day), day.books()


def test_whatever_step_a_worker_dies_at_each_effect_happens_once(
    tell: Callable[..., None],
) -> None:
    unhurt, there, books = day_with_a_death(None)
    assert there == ONCE
    wrong = {}
    for steps in range(unhurt.steps):
        life, there, left = day_with_a_death(steps)
        if (there, left) != (ONCE, books):
            wrong[steps] = (life.at, there)
    tell(killed=unhurt.steps, wrong=len(wrong))
    assert unhurt.steps > sum(ONCE.values()) * 4, "hardly anything was died at"
    assert not wrong


class Blind:
    """The control: a provider asked under new keys, of whom nothing is learnt by asking."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    def __getattr__(self, name: str) -> Any:
        if name.startswith("find_"):
            return lambda *_, **__: Accepted(None)
        if name == "events_after":
            return lambda *_: Unknown("not asked")
        found = getattr(self._provider, name)
        if name not in {"create_payment", "refund", "pay_out"}:
            return found

        def keyless(*args: Any, **named: Any) -> Any:
            return found(*args, **named | {"idempotency_key": uuid.uuid4().hex})

        return keyless


def test_control_a_worker_without_keys_that_does_not_look_pays_twice(
    tell: Callable[..., None],
) -> None:
    unhurt, there, _ = day_with_a_death(None, lambda day: Blind(day.stripe))
    assert there == ONCE, "who never dies needs no key"
    twice: Counter[str] = Counter()
    killed = 0
    while killed < unhurt.steps and set(twice) != set(EFFECTS):
        _, there, _ = day_with_a_death(killed, lambda day: Blind(day.stripe))
        twice += there - ONCE
        killed += 1
    tell(killed=killed, twice=dict(twice))
    assert set(twice) == set(EFFECTS)
