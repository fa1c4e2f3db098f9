"""The committed description of the API is the app's. `python -m tests.unit.api.test_openapi`."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from api.app import built
from api.door.middleware import Metrics
from api.identity.devtokens import AUDIENCE, ISSUER, DevIssuer
from api.identity.jwks import KeyFile
from api.identity.scopes import MATRIX, Door
from api.identity.security import TokenRules, Verifier

PAGE = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"


async def _sink(_: object) -> None:
    return None


def description(home: Path) -> dict[str, Any]:
    rules = TokenRules(ISSUER, AUDIENCE, frozenset())
    verifier = Verifier(KeyFile(DevIssuer.at_home(home).jwks), rules)
    return built(verifier, _sink, Metrics()).openapi()


def written(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return description(tmp_path_factory.mktemp("home"))


def test_the_committed_description_is_the_apps(schema: dict[str, Any]) -> None:
    assert PAGE.read_text("ascii") == written(schema), (
        "docs/openapi.json is out of date: python -m tests.unit.api.test_openapi"
    )


def test_a_changed_route_changes_the_description(schema: dict[str, Any]) -> None:
    changed = copy.deepcopy(schema)
    changed["components"]["schemas"]["NewDeposit"]["properties"]["amount"]["pattern"] = ".*"

    assert written(changed) != PAGE.read_text("ascii")


def test_every_door_tells_its_scope_and_its_problems(schema: dict[str, Any]) -> None:
    for row in MATRIX:
        operation = schema["paths"][row.path][row.method.lower()]
        security = operation.get("security", [])

        assert security == ([{"bearer": [row.scope]}] if row.door is Door.BEARER else [])
        assert "default" in operation["responses"]


def test_no_amount_is_a_number(schema: dict[str, Any]) -> None:
    for name, model in schema["components"]["schemas"].items():
        for field, form in model.get("properties", {}).items():
            forms = form.get("anyOf", [form])
            assert not any(one.get("type") == "number" for one in forms), (name, field)


def main() -> None:
    import tempfile  # noqa: PLC0415 - only when it is written anew

    with tempfile.TemporaryDirectory() as home:
        PAGE.write_text(written(description(Path(home))), "ascii")


if __name__ == "__main__":
    main()
