"""Two thousand days from two thousand seeds, and nothing in the books that does not belong there.

A seed that fails is played again, step by step, by `python -m tests.simulation.world SEED`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from payments import facts
from tests.simulation.world.audit import audit
from tests.simulation.world.simulation import Simulation

if TYPE_CHECKING:
    from ledger.decision import Fact

SEEDS = 2_000
CHUNK = 100
NEVER_PLAYED = {
    # The provider in memory captures as it is paid, and settles no dispute before it is one.
    facts.DepositAuthorised,
    facts.DisputePrevented,
    facts.DisputeUnclear,
}


def soundly(seed: int, *, old_workers: int = 0) -> Simulation:
    """Play a seed to its end and ask the books."""
    simulation = Simulation(seed, old_workers=old_workers)
    try:
        simulation.run()
        audit(simulation)
    except Exception as error:
        error.add_note(f"seed={seed}: python -m tests.simulation.world {seed}")
        raise
    return simulation


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_books_are_sound_whatever_is_lost_late_or_dead(first: int) -> None:
    for seed in range(first, first + CHUNK):
        soundly(seed)


def test_a_worker_that_was_replaced_and_does_not_know_it_does_no_harm() -> None:
    for seed in range(CHUNK):
        soundly(seed, old_workers=1)


def test_a_seed_gives_the_same_log_every_time() -> None:
    for seed in range(5):
        assert soundly(seed).book.verify() == soundly(seed).book.verify()


def test_the_seeds_go_everywhere() -> None:
    """A simulation that never comes to a place says nothing about it."""
    seen: set[type[Fact]] = set()
    deaths = 0
    for seed in range(150):
        simulation = Simulation(seed)
        simulation.run()
        deaths += simulation.worker.deaths
        seen |= {type(event.fact) for event in simulation.book.events_after(0, 1_000_000)}
    assert deaths
    assert set(facts.FACTS) - seen == NEVER_PLAYED
