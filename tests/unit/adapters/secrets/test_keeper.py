"""The keeper: what it serves while a source is away, for how long, and that it recovers alone."""

from __future__ import annotations

import logging
import time

import pytest

from adapters.secrets.keeper import UNREADY_S, Health, Keeper
from adapters.secrets.memory import Memory
from adapters.secrets.port import (
    Reference,
    Secret,
    SecretMissing,
    SecretsDenied,
    SecretsError,
    SecretsUnavailable,
)

KEY = Reference.parse("vault:kv/psp/stripe#api_key")
SERVED_S = 60.0


class Stage:
    """A source that can be in trouble, a clock that is moved by hand, and a keeper."""

    def __init__(self) -> None:
        self.now = 0.0
        self.memory = Memory()
        self.memory.write(KEY, Secret("sk_canary_1"), expected=0)
        self.keeper = Keeper(
            {"vault": self.memory}, renew_s=1, served_s_max=SERVED_S, clock=lambda: self.now
        )

    def fresh(self) -> str:
        return self.keeper.fresh(KEY).reveal()


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("trouble", [SecretsUnavailable("sealed"), SecretsDenied("403")])
def test_the_last_good_value_serves_for_a_named_time_and_then_nothing(
    stage: Stage, trouble: SecretsError
) -> None:
    assert stage.fresh() == "sk_canary_1"
    assert stage.keeper.health() is Health.FRESH
    stage.memory.trouble = trouble
    stage.now = UNREADY_S

    assert stage.fresh() == "sk_canary_1"
    assert stage.keeper.health() is Health.DEGRADED
    stage.now = SERVED_S
    assert stage.fresh() == "sk_canary_1"
    assert stage.keeper.health() is Health.AWAY
    stage.now = SERVED_S + 2
    with pytest.raises(SecretsUnavailable):
        stage.fresh()
    with pytest.raises(SecretsUnavailable):
        stage.keeper.read(KEY)
    assert stage.keeper.health() is Health.LOST


def test_it_recovers_when_the_source_does(stage: Stage) -> None:
    stage.fresh()
    stage.memory.trouble = SecretsUnavailable("sealed")
    stage.now = SERVED_S + 2
    assert stage.keeper.health() is Health.LOST
    stage.memory.trouble = None
    stage.keeper.renew()

    assert stage.fresh() == "sk_canary_1"
    assert stage.keeper.health() is Health.FRESH


def test_a_source_that_is_away_is_asked_in_the_background_only(stage: Stage) -> None:
    stage.fresh()
    stage.memory.trouble = SecretsUnavailable("sealed")
    stage.fresh()
    stage.memory.trouble = AssertionError("nobody who waits may ask")  # type: ignore[assignment]

    assert stage.fresh() == "sk_canary_1"


def test_what_was_never_read_is_not_made_up(stage: Stage) -> None:
    stage.memory.trouble = SecretsUnavailable("sealed")
    with pytest.raises(SecretsUnavailable):
        stage.keeper.read(KEY)
    assert stage.keeper.health() is Health.FRESH


def test_a_value_is_renewed_behind_the_scenes(stage: Stage) -> None:
    keeper = Keeper({"vault": stage.memory}, renew_s=0.05)
    assert keeper.read(KEY).reveal() == "sk_canary_1"
    keeper.start()
    stage.memory.write(KEY, Secret("sk_canary_2"), expected=1)
    deadline = time.monotonic() + 10
    while keeper.read(KEY).reveal() != "sk_canary_2":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    keeper.close()


def test_control_without_renewal_the_old_value_stays(stage: Stage) -> None:
    assert stage.keeper.read(KEY).reveal() == "sk_canary_1"
    stage.memory.write(KEY, Secret("sk_canary_2"), expected=1)

    assert stage.keeper.read(KEY).reveal() == "sk_canary_1"
    assert stage.fresh() == "sk_canary_2"


def test_a_source_that_is_not_set_up_is_named(stage: Stage) -> None:
    with pytest.raises(SecretsUnavailable, match="no env is set up"):
        stage.keeper.read(Reference.parse("env:X_Y"))
    with pytest.raises(SecretMissing):
        stage.keeper.read(Reference.parse("vault:kv/none#x"))


def test_changes_and_troubles_are_told_without_the_value(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage.fresh()
    stage.memory.write(KEY, Secret("sk_canary_2"), expected=1)
    stage.fresh()
    stage.memory.trouble = SecretsUnavailable("the vault is sealed")
    stage.fresh()
    stage.memory.trouble = None
    stage.keeper.renew()

    assert len(caplog.records) == 3
    assert "canary" not in caplog.text
    assert str(KEY) in caplog.text
