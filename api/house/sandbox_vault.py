"""A vault for the sandbox: an OpenBao server of our own, with the sandbox's secrets moved into it.

It is in memory and ends with the house. What has to outlive it, as the keys of a home that stays,
moves into it only where the home goes too.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from adapters.database.logins import make_logins
from adapters.database.roles import open_database
from adapters.secrets import provision
from adapters.secrets.openbao import OpenBao
from adapters.secrets.port import Reference
from api.house.bootstrap import Clock, wall_clock, wire
from api.house.rotation import inventory
from api.house.secret_settings import AppRoleSettings, LoginSettings, VaultSettings
from api.house.settings import SettingsRefused
from api.house.tenancy import living_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.database.roles import Database
    from api.house.bootstrap import House
    from api.house.settings import Settings

LOGINS: Final = {
    role: f"vault_{role}"
    for role in ("book_writer", "access_writer", "projector", "finance_reader", "audit_reader")
}
HOUSE_PROOF: Final = "COUNTERFOIL_VAULT_SECRET_ID"
ROTATOR_PROOF: Final = "COUNTERFOIL_VAULT_ROTATOR_SECRET_ID"
RENEW_S: Final = 0.5
"""A sandbox is watched by people: what they rotate is seen at once."""
PASSWORDS_EVERY_S: Final = 3600
CHECKPOINT_KEY: Final = "vault:transit/keys/checkpoint"
SEALING_KEY: Final = "vault:transit/keys/sealing"


@dataclass(frozen=True, slots=True)
class Moved:
    """The settings with references into the vault, and what proves who we are to it."""

    server: OpenBao
    settings: Settings
    environ: Mapping[str, str] = field(repr=False)


@contextlib.contextmanager
def moved_to_vault(
    settings: Settings,
    environ: Mapping[str, str],
    database: Database,
    *,
    keys: bool,
    passwords_every_s: int = PASSWORDS_EVERY_S,
) -> Iterator[Moved]:
    """Start a vault and move into it what the environment holds for the merchants of the settings.

    Args:
        settings: of a sandbox.
        environ: holds the merchants' secrets.
        database: the embedded one; every role gets a user whose password the vault changes.
        keys: let the vault sign checkpoints and wrap the sealing key too. They end with it.
        passwords_every_s: how often the vault changes the database's passwords.

    Raises:
        VaultProgramMissing: no OpenBao is installed.
    """
    with OpenBao(settings.home / "openbao") as server:
        vault = server.administrator()
        provision.enable(vault)
        merchants, left = [], dict(environ)
        for merchant in settings.merchants:
            path = f"vault:kv/psp/{merchant.name}"
            api_key, hook = f"{path}#api_key", f"{path}/webhook#secrets"
            provision.put(vault, Reference.parse(api_key), left.pop(merchant.api_key_at.path))
            provision.put(vault, Reference.parse(hook), left.pop(merchant.webhook_secrets_at.path))
            said = {"api_key": api_key, "webhook_secrets": hook}
            merchants.append(merchant.model_copy(update=said))
        make_logins(database.admin_dsn, LOGINS)
        provision.make_static_roles(vault, database.admin_dsn, LOGINS, every_s=passwords_every_s)
        changes: dict[str, object] = {
            "merchants": tuple(merchants),
            "database_logins": {
                role: LoginSettings(user=user, password=f"vault:database/static-creds/{role}#pw")
                for role, user in LOGINS.items()
            },
        }
        if keys:
            provision.make_keys(vault, ["checkpoint"], ["sealing"])
            signing = settings.checkpoints.model_copy(update={"key": CHECKPOINT_KEY})
            changes |= {"master_key": SEALING_KEY, "checkpoints": signing}
        yield _with_identities(server, settings.model_copy(update=changes), left)


def _with_identities(server: OpenBao, settings: Settings, environ: Mapping[str, str]) -> Moved:
    """Let the house read what its settings name, and the rotator change it."""
    references = [held.reference for held in inventory(settings)]
    vault = server.administrator()
    house = provision.make_identity(vault, "house", references)
    rotator = provision.make_identity(vault, "rotator", references, rotating=True)
    said = VaultSettings(
        address=server.address,
        role_id=house.role_id,
        secret_id=f"env:{HOUSE_PROOF}",
        rotator=AppRoleSettings(role_id=rotator.role_id, secret_id=f"env:{ROTATOR_PROOF}"),
        renew_s=RENEW_S,
    )
    proofs = {HOUSE_PROOF: house.secret_id.reveal(), ROTATOR_PROOF: rotator.secret_id.reveal()}
    return Moved(server, settings.model_copy(update={"vault": said}), {**environ, **proofs})


@contextlib.contextmanager
def open_vaulted_house(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    clock: Clock = wall_clock,
    keys: bool = False,
) -> Iterator[tuple[House, Moved]]:
    """Open a house on the embedded database whose secrets come from a vault of our own.

    Raises:
        SettingsRefused: the database is not the embedded one, or another house lives here.
        VaultProgramMissing: no OpenBao is installed.
    """
    if settings.database_url is not None:
        raise SettingsRefused("--vault gives logins to the embedded database only")
    with (
        living_in(settings.home),
        open_database(data_dir=settings.home / "postgres", environ=environ) as database,
        moved_to_vault(settings, environ, database, keys=keys) as moved,
        wire(moved.settings, database, environ=moved.environ, clock=clock) as house,
    ):
        yield house, moved
