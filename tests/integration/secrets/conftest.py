"""A street whose secrets all come from a real vault."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from adapters.database.logins import make_logins
from adapters.secrets import provision
from adapters.secrets.port import Reference
from api.house.sandbox_vault import LOGINS
from api.house.secret_settings import AppRoleSettings, LoginSettings, VaultSettings
from tests.integration.api.street import SECRET, Street, open_street

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.roles import Database
    from adapters.secrets.vault import Vault
    from tests.vault import Corner

RENEW_S = 0.1
API_KEY = "sk_test_canary_api_key"


@dataclass
class Vaulted:
    """The street, the vault behind it, and who rotates there."""

    street: Street
    corner: Corner
    rotator: Vault
    references: list[Reference]

    @property
    def passwords(self) -> list[Reference]:
        return [each for each in self.references if each.mount == "database"]

    @property
    def api_key(self) -> Reference:
        return self.corner.reference()

    @property
    def hook(self) -> Reference:
        return self.corner.reference("hook", "secrets")


OpenVaulted = Callable[..., Vaulted]


@pytest.fixture
def open_vaulted(corner: Corner, database: Database, tmp_path: Path) -> Iterator[OpenVaulted]:
    """Open a street whose secrets come from the vault; give it what the vault settings shall be."""
    with contextlib.ExitStack() as open_:

        def opened(**vault: Any) -> Vaulted:
            return open_.enter_context(_vaulted(corner, database, tmp_path, vault))

        yield opened


@contextlib.contextmanager
def _vaulted(
    corner: Corner, database: Database, home: Path, vault: dict[str, Any]
) -> Iterator[Vaulted]:
    users = {role: f"{corner.name}_{role}" for role in LOGINS}
    make_logins(database.admin_dsn, users)
    roles = {f"{corner.name}-{role}": user for role, user in users.items()}
    provision.make_static_roles(
        corner.admin, database.admin_dsn, roles, every_s=3600, server=corner.name
    )
    logins = {
        role: LoginSettings(
            user=users[role], password=f"vault:database/static-creds/{corner.name}-{role}#password"
        )
        for role in users
    }
    api_key, hook = corner.reference(), corner.reference("hook", "secrets")
    corner.put(api_key, API_KEY)
    corner.put(hook, SECRET)
    references = [api_key, hook, *(Reference.parse(each.password) for each in logins.values())]
    house = corner.identity(*references)
    rotator_id = corner.identity(*references, rotating=True)
    rotator = corner.opened(rotator_id)
    rotates = AppRoleSettings(
        role_id=rotator_id.role_id, secret_id=_proof(home / "rotator", rotator_id)
    )
    said: dict[str, Any] = {
        "address": corner.server.address,
        "role_id": house.role_id,
        "secret_id": _proof(home / "house", house),
        "rotator": rotates,
        "renew_s": RENEW_S,
    }
    settings = VaultSettings.model_validate(said | vault)
    merchant = {"api_key": str(api_key), "webhook_secrets": str(hook)}
    try:
        with open_street(
            database, home, vault=settings, database_logins=logins, merchant=merchant
        ) as street:
            yield Vaulted(street, corner, rotator, references)
    finally:
        rotator.close()
        for role in roles:
            corner.admin.secrets.database.delete_static_role(role)
        with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
            for user in users.values():
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


def _proof(path: Path, identity: provision.Identity) -> str:
    path.write_text(identity.secret_id.reveal(), "utf-8")
    return f"file:{path}"
