"""Who may import whom: the contracts of pyproject.toml hold, and each of them can fail."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = (ROOT / "pyproject.toml").read_text("utf-8")
PACKAGES: list[str] = tomllib.loads(SETTINGS)["tool"]["importlinter"]["root_packages"]

LAYERS = "Who may import whom"
SIBLINGS = "Sibling domains share their facts and nothing else"
PURE = "The domain imports no driver, web framework or SDK"
DOORS = "The event store library has three doors"


def lint(folder: Path) -> tuple[int, str]:
    """Run the import rules in a folder, as `make check` does."""
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [program, "--no-logo", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def house(folder: Path, path: str, line: str) -> Path:
    """Lay an empty house with one import in it."""
    (folder / "pyproject.toml").write_text(SETTINGS, "utf-8")
    for package in (*PACKAGES, "ledger/store"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").touch()
        for module in ("facts", "inner"):
            (folder / package / f"{module}.py").touch()
    (folder / path).write_text(line + "\n", "utf-8")
    return folder


def test_every_package_stands_under_the_rules() -> None:
    built = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

    assert built == set(PACKAGES)


def test_the_project_keeps_the_import_rules() -> None:
    code, words = lint(ROOT)

    assert code == 0, words


@pytest.mark.parametrize(
    ("path", "line", "contract"),
    [
        ("ledger/a.py", "import payments.facts", LAYERS),
        ("payments/a.py", "import adapters.inner", LAYERS),
        ("clients/a.py", "import projections.inner", LAYERS),
        ("projections/a.py", "import api.inner", LAYERS),
        ("payments/a.py", "import clients.inner", SIBLINGS),
        ("compliance/a.py", "from payments import inner", SIBLINGS),
        ("payments/a.py", "import stripe", PURE),
        ("clients/a.py", "import fastapi", PURE),
        ("ledger/inner.py", "import psycopg", PURE),
        ("payments/a.py", "from eventsourcing.domain import Aggregate", DOORS),
        ("api/a.py", "import eventsourcing", DOORS),
    ],
)
def test_a_forbidden_import_breaks_its_contract(
    tmp_path: Path, path: str, line: str, contract: str
) -> None:
    code, words = lint(house(tmp_path, path, line))

    assert code != 0
    assert f"{contract} BROKEN" in words


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("payments/a.py", "import clients.facts, ledger.inner"),
        ("adapters/a.py", "import stripe, payments.inner, projections.inner"),
        ("ledger/store/a.py", "import psycopg, eventsourcing.persistence"),
        ("ledger/book.py", "import eventsourcing.application"),
        ("projections/runner.py", "import eventsourcing.persistence, psycopg"),
        ("api/a.py", "import fastapi, adapters.inner, projections.inner, payments.inner"),
    ],
)
def test_an_allowed_import_passes(tmp_path: Path, path: str, line: str) -> None:
    code, words = lint(house(tmp_path, path, line))

    assert code == 0, words
