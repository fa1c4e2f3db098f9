"""Settings name secrets and never hold them; a complaint says what to do and quotes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters.secrets.port import Reference, SecretMissing, SecretsDenied
from api.house.secret_settings import VaultSettings
from api.house.secret_sources import database_url, keeper_of, master_key, webhook_secrets
from api.house.settings import Settings, SettingsRefused, load

if TYPE_CHECKING:
    from pathlib import Path

MERCHANT = '[[merchants]]\nname = "stripe-eu"\nbank = "eurobank"\n'
VAULT = '[vault]\naddress = "https://vault.example:8200"\nrole_id = "house"\n'
CANARY = "canary4711"


def written(folder: Path, text: str) -> Path:
    path = folder / "counterfoil.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        f'{MERCHANT}api_key = "sk_live_{CANARY}"\n',
        f'{MERCHANT}api_key = "{CANARY}"\n',
        f'{MERCHANT}webhook_secrets = "whsec_{CANARY}"\n',
        f'{MERCHANT}financial_account = "sk_live_{CANARY}"\n',
        f'database_url = "postgresql://writer:{CANARY}@db/books"\n',
        f'database_url = "host=db password={CANARY}"\n',
        f'master_key = "{CANARY}"\n',
        f'audience = "-----BEGIN PRIVATE KEY----- {CANARY}"\n',
        f'{VAULT}secret_id = "{CANARY}"\n',
        f'{VAULT}secret_id = "vault:kv/{CANARY}#x"\n',
        f'"whsec_{CANARY}" = 1\n',
        f'[database_logins.book_writer]\nuser = "writer"\npassword = "{CANARY}"\n',
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsRefused) as told:
        load(written(tmp_path, text), {})

    assert CANARY not in str(told.value)


def test_the_complaint_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused) as told:
        load(written(tmp_path, f'{MERCHANT}api_key = "sk_live_{CANARY}"\n'), {})

    for words in ("merchants[1].api_key", "a key of a payment provider", "env:", "vault:kv/"):
        assert words in str(told.value)


def test_control_references_are_taken(tmp_path: Path) -> None:
    text = (
        'database_url = "postgresql://db.example/books"\n'
        'master_key = "vault:transit/keys/sealing"\n'
        f'{MERCHANT}api_key = "vault:kv/psp/stripe#api_key"\n'
        f'{VAULT}secret_id = "cred:vault-proof"\n'
    )
    settings = load(written(tmp_path, text), {})

    assert str(settings.merchants[0].api_key_at) == "vault:kv/psp/stripe#api_key"
    where = "env:COUNTERFOIL_STRIPE_STRIPE_EU_WEBHOOK_SECRETS"
    assert str(settings.merchants[0].webhook_secrets_at) == where


def test_an_address_with_a_password_comes_by_the_environment_and_is_not_kept() -> None:
    url = f"postgresql://writer:{CANARY}@db/books"
    settings = load(environ={"DATABASE_URL": url})

    assert CANARY not in repr(settings)
    assert CANARY not in settings.model_dump_json()
    assert database_url(settings, keeper_of(settings, {"DATABASE_URL": url})) == url


@pytest.mark.parametrize("address", ["http://vault.example", "https://u:p@vault.example", "x"])
def test_a_vault_in_the_clear_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="https"):
        VaultSettings(address=address, role_id="house", secret_id="env:PROOF")


@pytest.mark.parametrize("value", ["", ",", "a,b,c", "a,,b", " , "])
def test_webhook_secrets_are_one_or_two(value: str) -> None:
    keeper = keeper_of(Settings(), {"HOOK": value})
    with pytest.raises(SecretMissing):
        webhook_secrets(keeper, Reference.parse("env:HOOK"))


def test_control_two_webhook_secrets_are_taken() -> None:
    keeper = keeper_of(Settings(), {"HOOK": "whsec_new, whsec_old"})

    assert webhook_secrets(keeper, Reference.parse("env:HOOK"))() == ("whsec_new", "whsec_old")


@pytest.mark.parametrize("value", ["zz", "00", "g" * 64])
def test_a_master_key_of_another_form_is_refused_unquoted(tmp_path: Path, value: str) -> None:
    settings = Settings(home=tmp_path, master_key="env:KEY")
    with pytest.raises(SettingsRefused) as told:
        master_key(settings, keeper_of(settings, {"KEY": value}))

    assert value not in str(told.value)


def test_the_environments_master_key_wins_over_the_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    given = master_key(settings, keeper_of(settings, {"COUNTERFOIL_MASTER_KEY": "ab" * 32}))
    made = master_key(settings, keeper_of(settings, {}))

    assert given == b"\xab" * 32
    assert made == master_key(settings, keeper_of(settings, {})) != given


def test_what_was_injected_is_not_written_through_us(tmp_path: Path) -> None:
    keeper = keeper_of(Settings(), {"X_KEY": "x"})
    for ask in (keeper.rotates, keeper.seals):
        with pytest.raises(SecretsDenied):
            ask(Reference.parse("env:X_KEY"))
