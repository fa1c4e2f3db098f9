"""Drills say what they saw, in one line each, also when they pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


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
