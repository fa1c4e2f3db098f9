"""The lanes of PostgreSQL. A folder runs in all of them where its own `database` asks for one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.integration.lanes import LANES, Lanes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def lanes(fast_folder: Path) -> Iterator[Lanes]:
    with contextlib.ExitStack() as servers:
        yield Lanes(fast_folder, servers)


@pytest.fixture(scope="session", params=LANES)
def lane(request: pytest.FixtureRequest) -> str:
    """The name of the lane that the test runs in."""
    return str(request.param)
