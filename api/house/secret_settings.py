"""Where the secrets of a house are: references and the vault, never a value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from adapters.secrets.keeper import RENEW_S, SERVED_S_MAX, UNREADY_S
from adapters.secrets.port import Reference
from adapters.secrets.session import AddressRefused, refuse_open_address
from adapters.secrets.shapes import plain_secrets


def _reference(text: str) -> str:
    Reference.parse(text)
    return text


SecretReference = Annotated[str, AfterValidator(_reference)]
"""`vault:…`, `env:…`, `file:…` or `cred:…`; a value in its place is refused."""


class _Closed(BaseModel):
    # What was written in the wrong place may be a secret: a complaint never quotes it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AppRoleSettings(_Closed):
    """Who we are to the vault.

    Attributes:
        role_id: the role's id, a name.
        secret_id: where the proof is: the environment, a file or a credential of systemd's.
        mount: where the vault has its AppRole method.
    """

    role_id: str
    secret_id: SecretReference
    mount: str = Field(default="approle", pattern=r"^[a-z][a-z0-9_-]*$")

    @field_validator("secret_id")
    @classmethod
    def _outside(cls, said: str) -> str:
        if said.startswith("vault:"):
            raise ValueError("what opens the vault cannot be in it")
        return said


class VaultSettings(AppRoleSettings):
    """A vault that speaks HashiCorp's API.

    Attributes:
        address: https; plain http on loopback only.
        authority: the certificate authority to believe, instead of the system's.
        rotator: who writes new secrets, at the command line; the house itself only reads.
        renew_s: how often every secret is read again.
        served_s_max: how long the last good values serve while the vault is away.
        unready_s: how long it may be away before the house says that it is not ready.
    """

    address: str
    authority: Path | None = None
    rotator: AppRoleSettings | None = None
    renew_s: float = Field(default=RENEW_S, ge=0.05, le=300)
    served_s_max: float = Field(default=SERVED_S_MAX, ge=0, le=86_400)
    unready_s: float = Field(default=UNREADY_S, ge=0, le=86_400)

    @field_validator("address")
    @classmethod
    def _safe(cls, said: str) -> str:
        try:
            refuse_open_address(said)
        except AddressRefused as refused:
            raise ValueError(str(refused)) from None
        return said


class LoginSettings(_Closed):
    """A database user, and where its password is."""

    user: str = Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    password: SecretReference


def database_address(said: str) -> str:
    """Take a reference, or an address without a password."""
    if said.partition(":")[0] in {"vault", "env", "file", "cred"}:
        return _reference(said)
    if next(plain_secrets(said), None) is not None:
        raise ValueError(
            "it holds a password: put the address in the environment (DATABASE_URL), or leave the "
            "password away and name it in `database_logins`"
        )
    return said


DatabaseAddress = Annotated[str, AfterValidator(database_address)]


def complaints(said: object) -> list[str]:
    """Say what in a file of settings looks like a secret, and what to do about it."""
    return [
        f"{at} holds what looks like {looks}: settings name secrets and never hold them; put the "
        "value into the environment, a file or the vault, write its reference here (env:<NAME>, "
        "file:/<path>, cred:<name>, vault:kv/<path>#<field>), and rotate the value"
        for at, looks in plain_secrets(said)
    ]
