"""`counterfoil secrets`: what is due, another value in place, and a record without the value."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from adapters.secrets.keeper import Keeper
from adapters.secrets.memory import Memory
from adapters.secrets.port import Reference, Secret, SecretConflict
from api.cli import main
from api.house import rotation
from api.house.rotation import CLASSES, Held, Made, Status

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.roles import Database
    from tests.vault import Corner

NEW = "whsec_canary_new_4711"
HOOK = "webhook-secret/stripe-eu"


class Shell:
    """Types commands on a house whose secrets are in the vault."""

    def __init__(
        self,
        corner: Corner,
        database: Database,
        home: Path,
        monkeypatch: pytest.MonkeyPatch,
        capture: pytest.CaptureFixture[str],
    ) -> None:
        self.corner, self.database, self.home = corner, database, home
        self._patch, self._capture = monkeypatch, capture
        self.hook = corner.reference("hook", "secrets")
        corner.put(corner.reference(), "sk_test_canary_key")
        corner.put(self.hook, "whsec_canary_old")
        references = [corner.reference(), self.hook]
        house = corner.identity(*references)
        rotator = corner.identity(*references, rotating=True)
        monkeypatch.setenv("DATABASE_URL", database.admin_dsn)
        monkeypatch.setenv("COUNTERFOIL_HOME", str(home))
        monkeypatch.setenv("PROOF", house.secret_id.reveal())
        monkeypatch.setenv("ROTATOR_PROOF", rotator.secret_id.reveal())
        self.proofs = [house.secret_id.reveal(), rotator.secret_id.reveal()]
        config = home / "counterfoil.toml"
        monkeypatch.setenv("COUNTERFOIL_CONFIG", str(config))
        config.write_text(
            f'[[merchants]]\nname = "stripe-eu"\nbank = "eurobank"\n'
            f'api_key = "{corner.reference()}"\nwebhook_secrets = "{self.hook}"\n'
            f'[vault]\naddress = "{corner.server.address}"\nrole_id = "{house.role_id}"\n'
            'secret_id = "env:PROOF"\n'
            f'[vault.rotator]\nrole_id = "{rotator.role_id}"\nsecret_id = "env:ROTATOR_PROOF"\n',
            "utf-8",
        )

    def type(self, *words: str, typed: str = "") -> tuple[int, str]:
        self._capture.readouterr()
        self._patch.setattr("sys.stdin", io.StringIO(typed))
        code = main(list(words))
        told = self._capture.readouterr()
        return code, told.out + told.err

    def ask(self, *words: str, typed: str = "") -> tuple[int, Any]:
        code, out = self.type(*words, "--json", typed=typed)
        return code, json.loads(out)

    def value(self) -> str:
        vault = self.corner.admin.secrets.kv.v2.read_secret_version(
            self.hook.inner, mount_point="kv", raise_on_deleted_version=True
        )
        return str(vault["data"]["data"]["secrets"])

    def records(self) -> str:
        with psycopg.connect(self.database.admin_dsn) as connection:
            rows = connection.execute("SELECT state FROM book.access ORDER BY position").fetchall()
        return "\n".join(bytes(state).decode() for (state,) in rows)


@pytest.fixture
def shell(
    corner: Corner,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    return Shell(corner, database, tmp_path, monkeypatch, capsys)


def test_the_status_lists_every_secret_with_its_age_and_no_value(shell: Shell) -> None:
    code, told = shell.ask("secrets")
    rows = {each["secret"]: each for each in told}
    _, words = shell.type("secrets")

    assert set(rows) == {
        "psp-api-key/stripe-eu", HOOK, "vault-proof/house", "vault-proof/rotator",
    }  # fmt: skip
    assert rows[HOOK]["reference"] == str(shell.hook)
    assert (rows[HOOK]["version"], rows[HOOK]["overdue"], code) == (1, False, 0)
    assert rows["vault-proof/house"]["due"] is None
    assert "canary" not in words + json.dumps(told)


def test_a_webhook_secret_is_rotated_beside_the_old_one_and_the_old_one_retired(
    shell: Shell,
) -> None:
    code, told = shell.ask("secrets", "rotate", HOOK, typed=f"{NEW}\n")
    assert (code, told["version"]) == (0, 2)
    assert shell.value() == f"{NEW},whsec_canary_old"

    again, words = shell.type("secrets", "rotate", HOOK, typed="whsec_third\n")
    assert (again, "retire the older one first" in words) == (2, True)
    _, status = shell.ask("secrets")
    active = next(each for each in status if each["secret"] == HOOK)
    assert (active["active"], active["retire_from"] is not None) == (2, True)

    assert shell.ask("secrets", "retire", HOOK)[0] == 0
    assert shell.value() == NEW
    assert shell.type("secrets", "retire", HOOK)[0] == 2


def test_a_rotation_is_recorded_by_name_and_version_and_never_by_value(shell: Shell) -> None:
    shell.type("secrets", "rotate", HOOK, typed=f"{NEW}\n")
    records = shell.records()

    assert "rotated secret" in records
    assert f"{shell.hook} version 2" in records
    assert "typed secrets" in records
    assert not [word for word in ("canary", *shell.proofs) if word in records]


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (("secrets", "rotate"), ""),
        (("secrets", "rotate", "webhook-secret/none"), ""),
        (("secrets", "rotate", HOOK), ""),
        (("secrets", "rotate", HOOK), "whsec_canary_a,whsec_canary_b\n"),
        (("secrets", "rotate", "vault-proof/house"), "canary\n"),
        (("secrets", "retire", "psp-api-key/stripe-eu"), ""),
    ],
)
def test_what_cannot_be_rotated_is_said_in_a_line(
    shell: Shell, words: tuple[str, ...], typed: str
) -> None:
    code, said = shell.type(*words, typed=typed)

    assert code == 2
    assert said.count("\n") == 1
    assert "canary" not in said
    assert shell.value() == "whsec_canary_old"


# --- due dates


def aged(kind: str, days: int) -> Status:
    held = Held(CLASSES[kind], "x", Reference.parse("vault:kv/x#y"))
    return Status(held, datetime.now(UTC) - timedelta(days=days), 1, 1)


def test_a_secret_is_overdue_after_the_interval_of_its_class() -> None:
    for name, kind in CLASSES.items():
        assert aged(name, kind.every.days).overdue(datetime.now(UTC))
        assert not aged(name, kind.every.days - 1).overdue(datetime.now(UTC))


def test_two_who_rotate_at_once_do_not_both_succeed() -> None:
    memory = Memory()
    held = Held(CLASSES["psp-api-key"], "x", Reference.parse("vault:kv/x#y"))
    memory.write(held.reference, Secret("a"), expected=0)

    class Overtaken(Memory):
        def read(self, reference: Reference) -> Secret:
            before = memory.read(reference)
            memory.write(reference, Secret("of another"), expected=before.version or 0)
            return before

        def write(self, reference: Reference, value: Secret, *, expected: int) -> int:
            return memory.write(reference, value, expected=expected)

    with pytest.raises(SecretConflict):
        rotation.rotate(held, Keeper({"vault": Overtaken()}), Secret("mine"))
    assert memory.read(held.reference).reveal() == "of another"


def test_every_class_says_who_makes_it() -> None:
    assert {kind.made for kind in CLASSES.values()} == set(Made)
