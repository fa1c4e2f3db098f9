"""Drills say what they saw, in one line each; the long ones wait to be asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ASKED = "COUNTERFOIL_DRILLS"
"""Set by `make drills`: run those marked `drill` too."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long drills out, unless they are asked for."""
    if os.environ.get(ASKED):
        return
    long = [item for item in items if item.get_closest_marker("drill")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


@pytest.fixture
def tell(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> Callable[..., None]:
    """Print one line of a drill: its name and what it counted; kept in the test's report too."""

    def line(**seen: object) -> None:
        for name, value in seen.items():
            record_property(name, value)
        words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in seen.items())
        with capsys.disabled():
            print(f"\n{request.node.name}: {words}")  # noqa: T201

    return line
