"""Every seeded bug is found by the simulation, and the same seeds are sound without it."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.world.audit import audit
from tests.simulation.world.simulation import Simulation

SEEDS_MAX = 400
"""A mutant that lives longer than this many seeds has found a hole in the simulation."""
CONTROL_SEEDS = 40


def first_unsound(seeds: int) -> int | None:
    """The first seed that ends in a broken assertion: in the code itself, or in the audit."""
    for seed in range(seeds):
        simulation = Simulation(seed)
        try:
            simulation.run()
            audit(simulation)
        except AssertionError:
            return seed
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_finds_the_bug(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutant.owner, mutant.attribute, mutant.replacement)

    assert first_unsound(SEEDS_MAX) is not None, f"nobody noticed that {mutant.name}"


def test_control_without_a_bug_there_is_nothing_to_find() -> None:
    assert first_unsound(CONTROL_SEEDS) is None
