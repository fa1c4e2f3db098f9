"""A day in the books, its checkpoints in a folder, and nobody has touched anything yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.tamper.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.roles import Database


@pytest.fixture
def scene(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Scene:
    monkeypatch.setenv("DATABASE_URL", database.admin_dsn)
    monkeypatch.delenv("COUNTERFOIL_CONFIG", raising=False)
    played = Scene(database, tmp_path, capsys)
    played.a_day()
    return played
