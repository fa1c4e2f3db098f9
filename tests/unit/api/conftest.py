from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.api.small_house import NOW, House, open_house

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> House:
    return open_house(tmp_path_factory.mktemp("house") / "home")


@pytest.fixture
def house(_shared: House) -> House:
    """A clean house: building one takes longer than most tests in it."""
    _shared.clock[0] = NOW
    _shared.sink_down = False
    _shared.close()  # it counts strangers until then
    _shared.records.clear()
    _shared.failing.clear()
    return _shared


@pytest.fixture
def new_house(tmp_path: Path) -> House:
    """A house of one's own, to rebuild or to count in."""
    return open_house(tmp_path / "home")
