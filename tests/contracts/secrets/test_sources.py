"""One suite for every source of secrets: a vault, what was injected, and memory."""

from __future__ import annotations

import base64
import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from adapters.checkpoints.signer import PublicKey
from adapters.secrets.injected import CREDENTIALS, Injected
from adapters.secrets.memory import Memory
from adapters.secrets.policies import policy
from adapters.secrets.port import (
    CanRotate,
    Reference,
    Seals,
    Secret,
    SecretConflict,
    SecretMissing,
    SecretsDenied,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapters.secrets.port import Secrets
    from tests.vault import Corner

VALUE = "sk_live_canary_51H8"
OTHER = "sk_live_canary_9Zq2"


@dataclass
class Stage:
    """A source, a reference that it knows, and how the world changes the value behind it."""

    source: Secrets
    reference: Reference
    missing: Reference
    change: Callable[[str], None]
    times: bool = True


@dataclass
class Sealing:
    """A source with a key for signing, one for wrapping, and one that it does not have."""

    source: Seals
    renew: Callable[[Reference], int | None]
    signing: Reference
    wrapping: Reference
    missing: Reference


def in_environment(_: Path) -> Stage:
    environ = {"COUNTERFOIL_STRIPE_API_KEY": VALUE}
    reference = Reference.parse("env:COUNTERFOIL_STRIPE_API_KEY")

    def change(value: str) -> None:
        environ[reference.path] = value

    return Stage(Injected(environ), reference, Reference.parse("env:NO_SUCH"), change, times=False)


def in_file(folder: Path) -> Stage:
    path = folder / "api-key"
    path.write_text(f"{VALUE}\n", "utf-8")
    missing = Reference.parse(f"file:{folder}/none")
    return Stage(
        Injected({}), Reference.parse(f"file:{path}"), missing, lambda v: _write(path, f"{v}\n")
    )


def in_credentials(folder: Path) -> Stage:
    path = folder / "api-key"
    path.write_text(VALUE, "utf-8")
    source = Injected({CREDENTIALS: str(folder)})
    missing = Reference.parse("cred:none")
    return Stage(source, Reference.parse("cred:api-key"), missing, lambda v: _write(path, v))


def in_memory(_: Path) -> Stage:
    memory = Memory()
    reference = Reference.parse("vault:kv/stripe#api_key")
    memory.write(reference, Secret(VALUE), expected=0)

    def change(value: str) -> None:
        memory.write(reference, Secret(value), expected=memory.read(reference).version or 0)

    return Stage(memory, reference, Reference.parse("vault:kv/none#api_key"), change)


@pytest.fixture(params=["environment", "file", "credentials", "memory", "vault"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    makers = {
        "environment": in_environment,
        "file": in_file,
        "credentials": in_credentials,
        "memory": in_memory,
    }
    if request.param in makers:
        yield makers[request.param](tmp_path)
        return
    corner: Corner = request.getfixturevalue("corner")
    reference, missing = corner.reference(), corner.reference("none")
    corner.put(reference, VALUE)
    vault = corner.opened(corner.identity(reference, missing))
    yield Stage(vault, reference, missing, lambda value: corner.put(reference, value))
    vault.close()


def test_a_secret_is_read(stage: Stage) -> None:
    assert stage.source.read(stage.reference).reveal() == VALUE


def test_a_change_is_seen_by_the_next_reading(stage: Stage) -> None:
    before = stage.source.read(stage.reference)
    stage.change(OTHER)
    after = stage.source.read(stage.reference)

    assert after.reveal() == OTHER
    assert before != after


def test_what_is_not_there_is_missing(stage: Stage) -> None:
    with pytest.raises(SecretMissing) as told:
        stage.source.read(stage.missing)

    assert str(stage.missing) in str(told.value)
    with pytest.raises(SecretMissing):
        stage.source.born(stage.missing)


def test_an_empty_value_is_missing(stage: Stage) -> None:
    if isinstance(stage.source, Memory):
        pytest.skip("memory holds what a test gives it")
    stage.change("")
    with pytest.raises(SecretMissing):
        stage.source.read(stage.reference)


def test_the_age_of_a_value_is_known_where_the_source_can_know(stage: Stage) -> None:
    born = stage.source.born(stage.reference)

    assert (born is not None) == stage.times
    assert born is None or abs(datetime.now(UTC) - born) < timedelta(minutes=5)


def test_nothing_shows_the_value(stage: Stage) -> None:
    secret = stage.source.read(stage.reference)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{[secret]}",
        f"{secret}",
    ]

    assert not [words for words in shown if VALUE in words]
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(secret)


def test_control_a_plain_text_is_shown_by_all_of_them() -> None:
    assert all(VALUE in words for words in (repr(VALUE), f"{[VALUE]}"))
    assert VALUE.encode() in pickle.dumps(VALUE)


# --- sources that take new values


@pytest.fixture(params=["memory", "vault"])
def rotating(request: pytest.FixtureRequest) -> Iterator[tuple[CanRotate, Secrets, Reference]]:
    if request.param == "memory":
        memory = Memory()
        yield memory, memory, Reference.parse("vault:kv/stripe#api_key")
        return
    corner: Corner = request.getfixturevalue("corner")
    reference = corner.reference()
    vault = corner.opened(corner.identity(reference, rotating=True))
    yield vault, vault, reference
    vault.close()


def test_a_value_is_written_over_the_version_that_was_read(
    rotating: tuple[CanRotate, Secrets, Reference],
) -> None:
    source, reading, reference = rotating
    first = source.write(reference, Secret(VALUE), expected=0)
    second = source.write(reference, Secret(OTHER), expected=first)

    read = reading.read(reference)
    assert (read.reveal(), read.version) == (OTHER, second)
    assert second == first + 1


def test_who_writes_second_is_told_and_changes_nothing(
    rotating: tuple[CanRotate, Secrets, Reference],
) -> None:
    source, reading, reference = rotating
    source.write(reference, Secret(VALUE), expected=0)
    for stale in (0, 7):
        with pytest.raises(SecretConflict):
            source.write(reference, Secret(OTHER), expected=stale)

    assert reading.read(reference).reveal() == VALUE


# --- sources that sign and seal


@pytest.fixture(params=["memory", "vault"])
def sealing(request: pytest.FixtureRequest) -> Iterator[Sealing]:
    if request.param == "memory":
        memory = Memory()
        key = Reference.parse("vault:transit/keys/checkpoint")
        memory.add_key(key)
        none = Reference.parse("vault:transit/keys/none")
        yield Sealing(memory, memory.renew, key, Reference.parse("vault:transit/keys/m"), none)
        return
    corner: Corner = request.getfixturevalue("corner")
    signing, wrapping, none = corner.key("sign"), corner.key("wrap"), corner.key("none")
    corner.admin.secrets.transit.create_key(f"{corner.name}-sign", key_type="ed25519")
    corner.admin.secrets.transit.create_key(f"{corner.name}-wrap")
    vault = corner.opened(corner.identity(signing, wrapping, none))
    rotator = corner.opened(corner.identity(signing, wrapping, rotating=True))
    yield Sealing(vault, rotator.renew, signing, wrapping, none)
    vault.close()
    rotator.close()


def test_a_signature_is_of_the_version_that_it_names(sealing: Sealing) -> None:
    source, key = sealing.source, sealing.signing
    old = source.sign(key, b"a checkpoint")
    sealing.renew(key)
    new = source.sign(key, b"a checkpoint")
    again = source.sign(key, b"a checkpoint", version=old.version)
    keys = source.public_keys(key)

    assert (old.version, new.version, again) == (1, 2, old)
    for made in (old, new):
        assert PublicKey(keys[made.version]).verifies(b"a checkpoint", made.raw)
    assert not PublicKey(keys[1]).verifies(b"a checkpoint", new.raw)


def test_a_data_key_is_opened_by_what_wrapped_it(sealing: Sealing) -> None:
    made = sealing.source.data_key(sealing.wrapping)

    assert sealing.source.unwrap(sealing.wrapping, made.wrapped) == made.plain
    assert len(base64.b64decode(made.plain.reveal(), validate=True)) == 32
    assert made.plain.reveal() not in made.wrapped


def test_a_key_that_is_not_there_signs_nothing(sealing: Sealing) -> None:
    with pytest.raises(SecretMissing):
        sealing.source.sign(sealing.missing, b"x")


# --- who may do what in the vault


def test_the_house_reads_and_does_not_write(corner: Corner) -> None:
    reference = corner.reference()
    corner.put(reference, VALUE)
    vault = corner.opened(corner.identity(reference))

    assert vault.read(reference).reveal() == VALUE
    with pytest.raises(SecretsDenied):
        vault.write(reference, Secret(OTHER), expected=1)
    vault.close()


def test_nobody_reads_what_no_reference_names(corner: Corner) -> None:
    mine, theirs = corner.reference("mine"), corner.reference("theirs")
    corner.put(theirs, VALUE)
    for rotating in (False, True):
        vault = corner.opened(corner.identity(mine, rotating=rotating))
        with pytest.raises(SecretsDenied):
            vault.read(theirs)
        vault.close()


def test_a_policy_names_each_path_once() -> None:
    two: Sequence[Reference] = [
        Reference.parse("vault:kv/psp/stripe#api_key"),
        Reference.parse("vault:kv/psp/stripe#webhook_secrets"),
        Reference.parse("env:ELSEWHERE"),
    ]

    assert policy(two) == 'path "kv/data/psp/stripe" {\n  capabilities = ["read"]\n}\n'


def test_two_secrets_on_one_path_have_ages_of_their_own(corner: Corner) -> None:
    key, hook = corner.reference(word="api_key"), corner.reference(word="webhook_secrets")
    rotator = corner.opened(corner.identity(key, hook, rotating=True))
    first = rotator.write(key, Secret(VALUE), expected=0)
    second = rotator.write(hook, Secret("whsec_1"), expected=first)
    old = rotator.born(key)
    rotator.write(hook, Secret("whsec_2"), expected=second)

    assert rotator.read(key).reveal() == VALUE
    assert rotator.born(key) == old
    assert (rotator.born(hook) or old) != old
    rotator.close()


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
