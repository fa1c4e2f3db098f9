"""Setting a vault up from nothing: engines, who may log in, first values, a database's users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg.conninfo import conninfo_to_dict

from adapters.secrets.policies import policy
from adapters.secrets.port import Secret
from adapters.secrets.vault import DATABASE, TRANSIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import hvac

    from adapters.secrets.port import Reference

KV: Final = "kv"
TOKEN_LIFE: Final = "20m"  # noqa: S105 - how long one lives
TOKEN_LIFE_MAX: Final = "12h"  # noqa: S105
_CHANGE: Final = "ALTER ROLE \"{{name}}\" WITH PASSWORD '{{password}}'"


class Identity(NamedTuple):
    """What logs in by AppRole. The second half is a secret."""

    role_id: str
    secret_id: Secret


def enable(vault: hvac.Client) -> None:
    """Turn on what we use: KV v2, transit, database, AppRole."""
    vault.sys.enable_secrets_engine("kv", path=KV, options={"version": "2"})
    vault.sys.enable_secrets_engine("transit", path=TRANSIT)
    vault.sys.enable_secrets_engine("database", path=DATABASE)
    vault.sys.enable_auth_method("approle")


def make_identity(
    vault: hvac.Client,
    name: str,
    references: Iterable[Reference],
    *,
    rotating: bool = False,
    life: str = TOKEN_LIFE,
    life_max: str = TOKEN_LIFE_MAX,
) -> Identity:
    """Make somebody who may do what these references ask for, and nothing else."""
    vault.sys.create_or_update_policy(name, policy(references, rotating=rotating))
    vault.auth.approle.create_or_update_approle(
        name,
        token_policies=[name],
        token_no_default_policy=False,
        token_ttl=life,
        token_max_ttl=life_max,
    )
    role_id = vault.auth.approle.read_role_id(name)["data"]["role_id"]
    secret_id = vault.auth.approle.generate_secret_id(name)["data"]["secret_id"]
    return Identity(role_id, Secret(secret_id))


def put(vault: hvac.Client, reference: Reference, value: str) -> None:
    """Put a first value in its place."""
    vault.secrets.kv.v2.create_or_update_secret(
        reference.inner, {reference.field: value}, mount_point=reference.mount
    )


def make_keys(vault: hvac.Client, signing: Iterable[str], wrapping: Iterable[str]) -> None:
    """Make keys that stay in the vault: ed25519 for signing, AES-256 for wrapping."""
    for name in signing:
        vault.secrets.transit.create_key(name, key_type="ed25519")
    for name in wrapping:
        vault.secrets.transit.create_key(name)


def make_static_roles(
    vault: hvac.Client,
    administrator_dsn: str,
    users: Mapping[str, str],
    *,
    every_s: int,
    server: str = "books",
) -> None:
    """Let the vault change the passwords of these users by itself; it does so first at once.

    Args:
        vault: an administrator's client.
        administrator_dsn: PostgreSQL, as somebody who may change passwords.
        users: database user by the name that the static role gets.
        every_s: how often.
        server: what the vault calls this database.
    """
    said = conninfo_to_dict(administrator_dsn)
    address = f"{said['host']}:{said['port']}/{said['dbname']}"
    vault.secrets.database.configure(
        name=server,
        plugin_name="postgresql-database-plugin",
        allowed_roles=list(users),
        connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}?sslmode=disable",
        username=said["user"],
        password=said["password"],
        # The server is sent a verifier: neither it nor its log ever sees a password.
        password_authentication="scram-sha-256",  # noqa: S106
    )
    for name, user in users.items():
        vault.secrets.database.create_static_role(
            name=name,
            db_name=server,
            username=user,
            rotation_statements=[_CHANGE],
            rotation_period=f"{every_s}s",
        )
