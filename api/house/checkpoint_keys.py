"""Which key signs checkpoints, and which earlier ones are believed: those stay good for ever."""

from __future__ import annotations

import binascii
import contextlib
import os
from typing import TYPE_CHECKING

from adapters.checkpoints.signer import LocalSigner, PublicKey
from adapters.checkpoints.vault_signer import VaultSigner
from adapters.secrets.port import Reference
from api.house.secret_sources import keeper_of
from api.house.settings import SettingsRefused
from ledger.checkpoints import NoCheckpoint, read_verifier_key

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.secrets.keeper import Keeper
    from api.house.settings import Settings
    from ledger.checkpoints import Key, Signer


def signer_of(settings: Settings, secrets: Keeper | None = None) -> Signer:
    """Give the key that signs: in the vault, or in a file that is made on the first start."""
    if settings.checkpoints.key is None:
        return LocalSigner.of_file(_key_file(settings))
    assert secrets is not None, "a key in a vault needs the vault"
    reference = Reference.parse(settings.checkpoints.key)
    return VaultSigner(secrets.seals(reference), reference)


def trusted_in(settings: Settings, secrets: Keeper) -> list[Key]:
    """List every key whose checkpoints are believed, the newest first; it never makes any.

    The vault keeps every version of its key. A key file that signed before the vault did stays
    good for as long as it lies in the home; others are named in the settings.
    """
    found: list[Key] = []
    if settings.checkpoints.key is not None:
        reference = Reference.parse(settings.checkpoints.key)
        keys = secrets.seals(reference).public_keys(reference)
        found += [PublicKey(keys[version]) for version in sorted(keys, reverse=True)]
    if _key_file(settings).exists():
        found.append(LocalSigner.of_file(_key_file(settings)))
    return found + [_named(text) for text in settings.checkpoints.trusted]


def trusted_keys(settings: Settings) -> list[Key]:
    """The same, for a question from the command line."""
    with contextlib.closing(keeper_of(settings, os.environ)) as secrets:
        return trusted_in(settings, secrets)


def _named(text: str) -> PublicKey:
    try:
        return PublicKey(read_verifier_key(text))
    except (NoCheckpoint, ValueError, binascii.Error):
        raise SettingsRefused("`checkpoints.trusted` holds what is no public key") from None


def _key_file(settings: Settings) -> Path:
    return settings.home / "checkpoint.key"
