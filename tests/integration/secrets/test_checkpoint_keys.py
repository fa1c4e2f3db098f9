"""Checkpoints signed by a key that stays in the vault: rotated, and all of them still verify."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.checkpoints.signer import LocalSigner, PublicKey
from adapters.secrets.keeper import Keeper
from adapters.secrets.memory import Memory
from adapters.secrets.port import Reference, SecretsUnavailable
from api.house.bootstrap import wire, working
from api.house.checkpoint_keys import signer_of, trusted_in
from api.house.checkpointer import kept_in, store_of
from api.house.secret_settings import VaultSettings
from api.house.settings import CheckpointSettings, Settings
from ledger.checkpoints import (
    Checkpoint,
    NoCheckpoint,
    opened,
    origin,
    read_verifier_key,
    verifier_key,
)
from ledger.ids import EntityId
from tests.integration.store.proxy import LossyProxy

if TYPE_CHECKING:
    from adapters.database.roles import Database
    from tests.vault import Corner

ENTITY = EntityId("acme-cy")
ORIGIN = origin(ENTITY, "log")
KEY = Reference.parse("vault:transit/keys/checkpoint")
SECRET_ID = "COUNTERFOIL_VAULT_SECRET_ID"


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, bytes([size]) * 32)


@pytest.fixture
def keeper() -> Keeper:
    memory = Memory()
    memory.add_key(KEY)
    return Keeper({"vault": memory})


def settings_of(home: Path, **more: object) -> Settings:
    said = {"key": str(KEY)} | more
    return Settings(entity=ENTITY, home=home, checkpoints=CheckpointSettings.model_validate(said))


def test_old_checkpoints_verify_after_a_rotation(keeper: Keeper, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    signer = signer_of(settings, keeper)
    old = checkpoint(7).signed(signer)
    keeper.rotates(KEY).renew(KEY)
    new = checkpoint(9).signed(signer)
    trusted = trusted_in(settings, keeper)

    assert [opened(note, ORIGIN, *trusted).size for note in (old, new)] == [7, 9]
    with pytest.raises(NoCheckpoint):
        opened(old, ORIGIN, trusted[0])


def test_a_signature_is_of_the_key_that_it_names_when_one_is_rotated_in_between(
    keeper: Keeper, tmp_path: Path
) -> None:
    signer = signer_of(settings_of(tmp_path), keeper)
    public = signer.public
    keeper.rotates(KEY).renew(KEY)

    assert PublicKey(public).verifies(b"text", signer.sign(b"text"))


def test_a_strangers_checkpoint_is_not_believed(keeper: Keeper, tmp_path: Path) -> None:
    stranger = LocalSigner(Ed25519PrivateKey.generate())
    note = checkpoint(7).signed(stranger)
    settings = settings_of(tmp_path)

    with pytest.raises(NoCheckpoint):
        opened(note, ORIGIN, *trusted_in(settings, keeper))
    named = settings_of(tmp_path, trusted=(verifier_key(ORIGIN, stranger.public),))
    assert opened(note, ORIGIN, *trusted_in(named, keeper)).size == 7


def test_what_the_key_file_signed_is_believed_after_the_vault_signs(
    keeper: Keeper, tmp_path: Path
) -> None:
    note = checkpoint(7).signed(signer_of(Settings(entity=ENTITY, home=tmp_path)))

    assert opened(note, ORIGIN, *trusted_in(settings_of(tmp_path), keeper)).size == 7


@pytest.mark.parametrize("text", ["", "name", "a+00000000+AAAA", "name+zz+%%%"])
def test_a_text_that_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(NoCheckpoint):
        read_verifier_key(text)


def test_a_house_signs_by_a_real_vault_waits_while_it_is_sealed_and_goes_on(
    corner: Corner, database: Database, tmp_path: Path
) -> None:
    key = corner.key("checkpoint")
    corner.admin.secrets.transit.create_key(f"{corner.name}-checkpoint", key_type="ed25519")
    house_id = corner.identity(key)
    rotator = corner.opened(corner.identity(key, rotating=True))
    head = 0
    with LossyProxy(corner.server.port) as way:
        settings = Settings(
            entity=ENTITY,
            home=tmp_path,
            checkpoints=CheckpointSettings(events=1, seconds=1, key=str(key)),
            vault=VaultSettings(
                address=f"http://127.0.0.1:{way.port}",
                role_id=house_id.role_id,
                secret_id=f"env:{SECRET_ID}",
            ),
        )
        environ = {SECRET_ID: house_id.secret_id.reveal()}
        for _ in range(2):
            with wire(settings, database, environ=environ) as house, working(house):
                head = house.book.head()
            rotator.renew(key)
        with wire(settings, database, environ=environ) as house:
            trusted = trusted_in(settings, house.secrets)
            way.refuse_connections()
            with pytest.raises(SecretsUnavailable):
                checkpoint(1).signed(signer_of(settings, house.secrets))
            way.admit_connections()
            assert checkpoint(1).signed(signer_of(settings, house.secrets))
    kept = kept_in(store_of(settings, "log"), ORIGIN, *trusted)

    assert head in [each.size for each in kept.checkpoints]
    assert not kept.strangers
    assert len(trusted) == 3
    rotator.close()


def test_the_stand_alone_file_takes_every_key_of_a_history(tmp_path: Path) -> None:
    keys = [LocalSigner(Ed25519PrivateKey.generate()) for _ in range(2)]
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for size, key in enumerate(keys, 1):
        (folder / f"{size:012}.checkpoint").write_bytes(checkpoint(size).signed(key))
    (tmp_path / "dump.jsonl").write_text("", "utf-8")

    def judged(*named: LocalSigner) -> str:
        tool = Path(__file__).resolve().parents[3] / "tools" / "verify_log.py"
        command = [sys.executable, "-I", str(tool), str(tmp_path / "dump.jsonl")]
        command += ["--origin", ORIGIN, "--checkpoints", str(folder)]
        for key in named:
            command += ["--key", verifier_key(ORIGIN, key.public)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert "is not signed by this key" in judged(keys[1])
    assert "cut: a checkpoint covers 1 rows" in judged(*keys)
