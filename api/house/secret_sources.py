"""The secrets of a house: which sources there are, and what is read from them under which name."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Final

from adapters.database.logins import LiveLogins, Login
from adapters.psp.stripe.webhook import SECRETS_MAX
from adapters.sealing import KEY_BYTES, AesSealer
from adapters.secrets.injected import Injected
from adapters.secrets.keeper import Keeper
from adapters.secrets.port import NoReference, Reference, Secret, SecretMissing
from adapters.secrets.session import AppRole, VaultSession
from adapters.secrets.vault import Vault
from api.house.settings import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from adapters.database.roles import Database
    from adapters.secrets.port import Secrets
    from api.house.secret_settings import AppRoleSettings, VaultSettings
    from api.house.settings import Settings

MASTER_KEY: Final = "COUNTERFOIL_MASTER_KEY"
_DEFAULT_MASTER: Final = Reference("env", MASTER_KEY)
WRAPPED: Final = "master.wrapped"
"""In the home: the sealing key as the vault wrapped it, worthless without the vault."""


@contextlib.contextmanager
def keeping(
    settings: Settings, environ: Mapping[str, str], *, rotating: bool = False
) -> Iterator[Keeper]:
    """Open the sources of secrets, and renew what is read from them while the context lasts.

    Args:
        settings: where the vault is, if there is one.
        environ: what was injected.
        rotating: log in at the vault as the one who writes new secrets.

    Raises:
        SettingsRefused: nobody is named who may write.
    """
    keeper = keeper_of(settings, environ, rotating=rotating)
    try:
        keeper.start()
        yield keeper
    finally:
        keeper.close()


def keeper_of(settings: Settings, environ: Mapping[str, str], *, rotating: bool = False) -> Keeper:
    """Make a keeper of all sources; nothing is read yet."""
    injected = Injected(environ)
    sources: dict[str, Secrets] = {"env": injected, "file": injected, "cred": injected}
    said = settings.vault
    if said is None:
        return Keeper(sources)
    who: AppRoleSettings = said
    if rotating:
        if said.rotator is None:
            raise SettingsRefused("`vault.rotator` names nobody who may write new secrets")
        who = said.rotator
    sources["vault"] = Vault(session_of(said, who, injected))
    return Keeper(
        sources,
        renew_s=said.renew_s,
        served_s_max=said.served_s_max,
        unready_s=said.unready_s,
    )


def webhook_secrets(keeper: Keeper, reference: Reference) -> Callable[[], tuple[str, ...]]:
    """Give the active secrets of a webhook whenever it is asked: one, or two with a comma between.

    The first call is made here: a house that cannot have them does not open.
    """

    def active() -> tuple[str, ...]:
        found = tuple(part.strip() for part in keeper.read(reference).reveal().split(","))
        if not all(found) or len(found) > SECRETS_MAX:
            raise SecretMissing(f"{reference}: one secret, or two with a comma between")
        return found

    active()
    return active


def api_key(keeper: Keeper, reference: Reference) -> Callable[[], str]:
    """Give a provider's key whenever it is asked. The first call is made here."""
    keeper.read(reference)
    return lambda: keeper.read(reference).reveal()


def database_url(settings: Settings, keeper: Keeper) -> str | None:
    """Give the database's address, wherever it is kept."""
    said = settings.database_url
    if said is None:
        return None
    try:
        return keeper.read(Reference.parse(said)).reveal()
    except NoReference:
        return said


def with_logins(database: Database, settings: Settings, keeper: Keeper) -> Database:
    """Give each role that has one its own login, with the password of now."""
    if not settings.database_logins:
        return database
    logins = {
        role: Login(said.user, Reference.parse(said.password))
        for role, said in settings.database_logins.items()
    }
    return type(database)(database.admin_dsn, LiveLogins(database.role_dsns, logins, keeper))


def master_key(settings: Settings, keeper: Keeper) -> bytes:
    """Give the key that seals raw messages: from a vault, injected, or a file of the home.

    Raises:
        SettingsRefused: what was found is no such key.
    """
    said = settings.master_key
    if said is None:
        with contextlib.suppress(SecretMissing):
            return _from_hex(keeper.read(_DEFAULT_MASTER), _DEFAULT_MASTER)
        return AesSealer.key_file(settings.home / "master.key")
    reference = Reference.parse(said)
    if reference.scheme == "vault" and not reference.field:
        return _unwrapped(settings.home / WRAPPED, reference, keeper)
    return _from_hex(keeper.read(reference), reference)


def _unwrapped(path: Path, reference: Reference, keeper: Keeper) -> bytes:
    """Open the wrapped key, or have one made on the first start."""
    seals = keeper.seals(reference)
    if path.exists():
        plain = seals.unwrap(reference, path.read_text("ascii"))
    else:
        plain, wrapped = seals.data_key(reference)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(wrapped)
            file.flush()
            os.fsync(file.fileno())
    return _sized(base64.b64decode(plain.reveal(), validate=True), reference)


def _from_hex(secret: Secret, reference: Reference) -> bytes:
    try:
        return _sized(binascii.unhexlify(secret.reveal()), reference)
    except ValueError:
        # The cause would quote the value.
        raise _no_key(reference) from None


def _sized(raw: bytes, reference: Reference) -> bytes:
    if len(raw) != KEY_BYTES:
        raise _no_key(reference)
    return raw


def _no_key(reference: Reference) -> SettingsRefused:
    return SettingsRefused(f"{reference} is no master key: {KEY_BYTES * 2} hexadecimal digits")


def session_of(said: VaultSettings, who: AppRoleSettings, injected: Injected) -> VaultSession:
    """Make a login at the vault; nothing is sent yet."""
    proof = partial(injected.read, Reference.parse(who.secret_id))
    role = AppRole(who.role_id, proof, who.mount)
    return VaultSession(said.address, role, authority=said.authority)
