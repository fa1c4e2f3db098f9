"""When each secret is due for another, and how it gets one. A value is never part of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe.webhook import SECRETS_MAX
from adapters.secrets.port import Reference, Secret, SecretConflict, SecretsDenied, SecretsError
from ledger.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.secrets.keeper import Keeper
    from api.house.settings import Settings


class Made(StrEnum):
    """Who makes the new value."""

    THERE = "by the other side, and typed in here"
    BY_VAULT = "by the vault"
    OUTSIDE = "by its owner, without us"


@dataclass(frozen=True, slots=True)
class SecretClass:
    """A kind of secret.

    Attributes:
        every: after so long it is due for another.
        overlap: how long the old one stays good beside the new; None: for ever, to verify.
        two: both are active here during the overlap.
    """

    name: str
    every: timedelta
    overlap: timedelta | None
    made: Made
    two: bool = False


LOOKED_EVERY: Final = timedelta(minutes=1)
CLASSES: Final = {
    each.name: each
    for each in (
        SecretClass("psp-api-key", timedelta(days=90), timedelta(days=1), Made.THERE),
        SecretClass("webhook-secret", timedelta(days=90), timedelta(days=3), Made.THERE, two=True),
        SecretClass("platform-password", timedelta(days=90), timedelta(0), Made.THERE),
        SecretClass("jwt-keys", timedelta(days=90), timedelta(days=1), Made.OUTSIDE),
        SecretClass("vault-proof", timedelta(days=30), timedelta(days=1), Made.OUTSIDE),
        SecretClass("database-password", timedelta(days=30), timedelta(0), Made.BY_VAULT),
        SecretClass("checkpoint-key", timedelta(days=365), None, Made.BY_VAULT),
        SecretClass("sealing-key", timedelta(days=365), None, Made.BY_VAULT),
    )
}
"""Every kind that there is. The overlap of a webhook's secret is as long as Stripe sends again."""


@dataclass(frozen=True, slots=True)
class Held:
    """One secret of this house."""

    kind: SecretClass
    whose: str
    reference: Reference

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return f"{self.kind.name}/{self.whose}"


@dataclass(frozen=True, slots=True)
class Status:
    """How old a secret is.

    Attributes:
        since: since when it is what it is; None where nobody can know.
        version: the vault's.
        active: how many values are in use.
        trouble: why nothing is known, in our own words.
    """

    held: Held
    since: datetime | None
    version: int | None
    active: int
    trouble: str = ""

    @property
    def due(self) -> datetime | None:
        """When it is due for another; None where its age is not known."""
        return None if self.since is None else self.since + self.held.kind.every

    def overdue(self, now: datetime) -> bool:
        """Whether it should have been changed by now."""
        return self.due is not None and self.due <= now

    def retire_from(self) -> datetime | None:
        """When the older of two active values may go."""
        if self.active < SECRETS_MAX or self.since is None or self.held.kind.overlap is None:
            return None
        return self.since + self.held.kind.overlap


def inventory(settings: Settings) -> list[Held]:
    """List every secret that the settings name, or expect in the environment."""
    return list(_inventory(settings))


def status(held: Held, secrets: Keeper) -> Status:
    """Look at one secret. What cannot be looked at is told, and raises nothing."""
    try:
        since = secrets.born(held.reference)
        version, active = None, 1
        if held.reference.field or held.kind.two:
            found = secrets.fresh(held.reference)
            version = found.version
            active = len(_values(found)) if held.kind.two else 1
    except SecretsError as error:
        return Status(held, None, None, 0, str(error))
    return Status(held, since, version, active)


class Ages:
    """The ages of all secrets, looked up seldom: they change by the day."""

    def __init__(self, settings: Settings, secrets: Keeper) -> None:
        self._settings, self._secrets = settings, secrets
        self._found: list[Status] = []
        self._at: datetime | None = None

    def all(self, now: datetime) -> list[Status]:
        """Give every secret's status, not older than `LOOKED_EVERY`."""
        if self._at is None or now - self._at >= LOOKED_EVERY:
            self._found = [status(held, self._secrets) for held in inventory(self._settings)]
            self._at = now
        return self._found


def named(settings: Settings, name: str) -> Held:
    """Find a secret by its name.

    Raises:
        NotFound: there is none of that name.
    """
    for held in _inventory(settings):
        if held.name == name:
            return held
    raise NotFound(f"no secret is called so; there are {[h.name for h in inventory(settings)]}")


def rotate(held: Held, secrets: Keeper, value: Secret | None) -> int | None:
    """Put a new value in the place of the old one; where two may be active, beside it.

    Args:
        held: which secret.
        secrets: opened for whoever rotates.
        value: the new value, where the other side makes it.

    Returns:
        The new version, where the source counts.

    Raises:
        SecretsDenied: its owner changes it, without us.
        SecretConflict: two are active already, or somebody else wrote first.
    """
    if held.kind.made is Made.OUTSIDE:
        raise SecretsDenied(f"{held.name} is changed by its owner, where it was injected")
    source = secrets.rotates(held.reference)
    if held.kind.made is Made.BY_VAULT:
        return source.renew(held.reference)
    assert value is not None, "who types the new value is asked for it"
    new = value.reveal().strip()
    if not new or "," in new:
        raise SecretsDenied("a new value is one line without commas, and not empty")
    before = secrets.fresh(held.reference)
    old = _values(before)
    if held.kind.two:
        if len(old) >= SECRETS_MAX:
            raise SecretConflict(f"{held.name}: two are active; retire the older one first")
        value = Secret(",".join((new, *old)))
    return source.write(held.reference, value, expected=before.version or 0)


def retire(held: Held, secrets: Keeper) -> int:
    """Let only the newest of two active values stay.

    Raises:
        SecretConflict: only one is active, or somebody else wrote first.
    """
    before = secrets.fresh(held.reference)
    values = _values(before)
    if not held.kind.two or len(values) < SECRETS_MAX:
        raise SecretConflict(f"{held.name}: only one value is active")
    source = secrets.rotates(held.reference)
    return source.write(held.reference, Secret(values[0]), expected=before.version or 0)


def _values(secret: Secret) -> list[str]:
    return secret.reveal().split(",")


def _inventory(settings: Settings) -> Iterator[Held]:
    for merchant in settings.merchants:
        yield Held(CLASSES["psp-api-key"], merchant.name, merchant.api_key_at)
        yield Held(CLASSES["webhook-secret"], merchant.name, merchant.webhook_secrets_at)
    for role, login in settings.database_logins.items():
        yield Held(CLASSES["database-password"], role, Reference.parse(login.password))
    if settings.checkpoints.key is not None:
        key = Reference.parse(settings.checkpoints.key)
        yield Held(CLASSES["checkpoint-key"], settings.entity, key)
    if settings.master_key is not None:
        key = Reference.parse(settings.master_key)
        yield Held(CLASSES["sealing-key"], settings.entity, key)
    if isinstance(settings.jwks, Path):
        at = Reference("file", str(settings.jwks.absolute()))
        yield Held(CLASSES["jwt-keys"], "issuer", at)
    if settings.vault is not None:
        proof = Reference.parse(settings.vault.secret_id)
        yield Held(CLASSES["vault-proof"], "house", proof)
        if settings.vault.rotator is not None:
            proof = Reference.parse(settings.vault.rotator.secret_id)
            yield Held(CLASSES["vault-proof"], "rotator", proof)
