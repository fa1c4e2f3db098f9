"""The collector's settings cost no memory: cycles are still found."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from api.house.collector import THRESHOLDS, quiet_collector

if TYPE_CHECKING:
    from collections.abc import Iterator


class Knot:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_loaded_is_not_walked_again() -> None:
    quiet_collector()
    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() > 0


def test_cycles_made_later_are_still_collected() -> None:
    quiet_collector()
    lost = weakref.ref(Knot())
    kept: list[list[int]] = [[] for _ in range(2 * THRESHOLDS[0])]
    assert lost() is None
    assert kept


def test_control_without_a_collector_they_would_stay() -> None:
    gc.disable()
    try:
        lost = weakref.ref(Knot())
        kept: list[list[int]] = [[] for _ in range(2 * THRESHOLDS[0])]
        assert lost() is not None
        assert kept
    finally:
        gc.enable()
