"""The one file of who may do what: consistent, complete, and what the documents say.

`python -m tests.unit.api.test_authorization` writes the tables of docs/authorization.md anew.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ValidationError

from adapters.database.roles import ROLES as DATABASE_ROLES
from api.app import ROUTERS
from api.house.secret_settings import SecretReference
from api.house.settings import Settings
from api.identity.authorization import FILE, authorization, parsed
from api.identity.scopes import Role
from api.identity.stray import secret_fields, stray_secrets
from api.shell.authz import matrix, policies

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = FILE.read_text("utf-8")
WAYS = {"reads.models(": "finance_reader", "reads.log(": "audit_reader", "submit(": "book_writer"}
"""How a route reaches the database, and as whom."""
USES = {"place_in(": "master_key", "_opened(": "merchants.api_key", "keeping(": "master_key"}
"""What a route does, and with which secret."""


def test_every_role_of_a_token_has_a_row_and_every_row_a_role() -> None:
    assert {Role(name) for name in authorization().roles} == set(Role)


def test_every_database_role_has_a_row() -> None:
    assert tuple(authorization().database) == DATABASE_ROLES


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ('scope = "clients:create", as', 'scope = "clients:invent", as'),
        ('scopes = ["metrics:read"]', 'scopes = ["metrics:read", "all:all"]'),
        ('scopes = ["metrics:read"]', 'scopes = ["*"]'),
        ('scope = "metrics:read", recorded', "recorded"),
        ('"GET /healthz" = { door = "open"', '"GET /healthz" = { door = "ajar"'),
        ('"GET /healthz" = {', '"GET /healthz*" = {'),
        ('"GET /healthz" = {', '"GET /healthz" = { admin = true,'),
        ('as = ["finance_reader"] }', 'as = ["postgres"] }'),
        ('as = ["finance_reader"] }', 'as = ["migrator"] }'),
        (
            '"book.log" = { book_writer = ["SELECT", "INSERT"]',
            '"book.log" = { book_writer = ["ALL"]',
        ),
        ('"book.log" = { book_writer', '"book.log" = { public'),
        ('"tls.key" = ', '"tls.other" = '),
        ('secrets = ["vault.secret_id"]', "secrets = []"),
        ('as = ["retention"]', "as = []"),
        ("[roles.operator]", "[roles.operator]\nsuperuser = true"),
        ('words = "watches the machine"', 'words = ""'),
    ],
)
def test_a_file_that_contradicts_itself_is_not_read(said: str, instead: str) -> None:
    assert said in TEXT
    with pytest.raises((ValidationError, ValueError)):
        parsed(TEXT.replace(said, instead, 1))


def test_the_file_itself_is_read() -> None:
    assert parsed(TEXT) == authorization()


def served_as() -> Iterator[tuple[str, str]]:
    for router in ROUTERS:
        for context in iter_route_contexts(router.routes):
            endpoint = getattr(context.original_route, "endpoint")  # noqa: B009
            for method in context.methods or ():
                yield f"{method} {context.path_format}", inspect.getsource(endpoint)


def test_a_route_reaches_the_database_as_the_roles_of_its_row() -> None:
    rules = authorization().routes
    for name, source in served_as():
        reached = {role for way, role in WAYS.items() if way in source}
        # What waits and what is measured is looked at by helpers of the same file.
        assert reached <= rules[name].served_as, name
        assert {held for use, held in USES.items() if use in source} <= rules[name].secrets, name


# --- secrets


def test_every_secret_of_the_settings_has_a_row_and_every_row_a_field() -> None:
    assert set(secret_fields(Settings)) == authorization().secrets.keys()
    assert not stray_secrets(Settings, authorization())


def test_a_secret_without_a_row_is_found() -> None:
    class Inner(BaseModel):
        proof: SecretReference | None = None

    class Stray(Settings):
        banks: tuple[Inner, ...] = ()
        smtp_password: str = ""

    assert stray_secrets(Stray, authorization()) == ["banks.proof", "smtp_password"]


# --- the matrix and the policies


def test_the_matrix_has_every_route_and_every_scope_of_every_role() -> None:
    allowed = authorization()
    cells = list(matrix(allowed))

    assert {cell.route for cell in cells} == allowed.routes.keys()
    for role, rule in allowed.roles.items():
        opened = {cell.opened_by.partition(",")[0] for cell in cells if cell.role == role}
        assert opened - {"signature"} == rule.scopes
    assert {cell.route for cell in cells if cell.role == "anybody"} == {
        "GET /healthz",
        "GET /readyz",
    }


def test_the_matrix_tells_which_tables_stand_behind_a_route() -> None:
    (cell,) = (
        c for c in matrix(authorization()) if (c.role, c.route) == ("client", "POST /v1/deposits")
    )

    assert cell.database == ("access_writer", "book_writer")
    assert cell.tables["book.log"] == ("SELECT", "INSERT")
    assert not any(table.startswith("read.") for table in cell.tables)
    assert cell.secrets == ("merchants.api_key",)


def test_a_component_may_read_in_the_vault_what_it_uses_and_nothing_else() -> None:
    settings = Settings.model_validate(
        {
            "merchants": [
                {
                    "name": "stripe-eu",
                    "bank": "eurobank",
                    "api_key": "vault:kv/psp/stripe-eu#api_key",
                    "webhook_secrets": "vault:kv/webhooks/stripe-eu#secrets",
                }
            ],
            "checkpoints": {"key": "vault:transit/keys/checkpoint"},
            "master_key": "env:COUNTERFOIL_MASTER_KEY",
        }
    )
    written = policies(authorization(), settings)

    assert 'path "kv/data/psp/stripe-eu"' in written["counterfoil-worker"]
    assert "webhooks" not in written["counterfoil-worker"]
    assert "kv/" not in written["counterfoil-checkpoints"]
    assert "transit/sign/checkpoint" in written["counterfoil-checkpoints"]
    assert "transit/sign" not in written["counterfoil-doors"]
    assert "transit/sign" not in written["counterfoil-rotation"]
    assert '"update"' not in written["counterfoil-worker"]
    assert "counterfoil-projections" not in written
    assert written["counterfoil-as-crm"].count("path") == 1
    assert "identity/oidc/token/counterfoil-crm" in written["counterfoil-as-crm"]


# --- the page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "authorization.md"
SHORT = {
    "operations": "ops",
    "compliance": "compl.",
    "risk_monitor": "monitor",
    "enforcement": "enforce",
}


def routes_table() -> str:
    allowed = authorization()
    roles = [name for name, rule in allowed.roles.items() if rule.scopes]
    lines = [
        f"| route | {' | '.join(SHORT.get(role, role) for role in roles)} |",
        "|---|" + "---|" * len(roles),
    ]
    for route, rule in allowed.routes.items():
        if rule.door == "bearer":
            mark = "P" if rule.person else "x"
            marks = [mark if rule.scope in allowed.roles[role].scopes else "" for role in roles]
            lines.append(f"| `{route}` | {' | '.join(marks)} |".replace("  ", " "))
    return "\n".join(lines)


def database_table() -> str:
    lines = ["| role | is for | holds |", "|---|---|---|"]
    allowed = authorization()
    for role, rule in allowed.database.items():
        owns = [f"all of `{rule.owns}`"] if rule.owns else []
        held: dict[str, list[str]] = {}
        for table, granted in allowed.tables.items():
            for right in granted.get(role, ()):
                held.setdefault(right, []).append(table)
        reads = {
            right: f"{right.partition(' ')[0]} on {_tables(tables)}"
            for right, tables in held.items()
        }
        lines.append(
            f"| `{role}` | {rule.words} | {'; '.join(dict.fromkeys([*owns, *reads.values()]))} |"
        )
    return "\n".join(lines)


def _tables(tables: list[str]) -> str:
    models = [table for table in authorization().tables if table.startswith("read.")]
    named = [table for table in tables if table not in models]
    missing = [table for table in models if table not in tables]
    if len(missing) <= len(models) // 2:
        but = f" but {', '.join(missing)}" if missing else ""
        return ", ".join([*named, f"every read model{but}"])
    return ", ".join(tables)


def page(text: str) -> str:
    for name, table in (("routes", routes_table()), ("database", database_table())):
        text = re.sub(
            f"(<!-- {name} -->\n).*?(<!-- end -->)",
            lambda found, table=table: f"{found[1]}{table}\n{found[2]}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


def test_the_page_shows_the_file() -> None:
    text = PAGE.read_text("utf-8")

    assert text == page(text), "run python -m tests.unit.api.test_authorization"
    assert text != page(text).replace("| x |", "| |", 1)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
