"""The doctor says that all is well where it is, and finds each way in which it is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from adapters.database.acting import WORKING
from adapters.database.logins import make_logins
from adapters.psp.stripe.simulator import StripeSimulator
from api.house.secret_settings import LoginSettings, VaultSettings
from api.house.settings import CheckpointSettings, MerchantSettings, Settings, TlsSettings
from api.shell.doctor import doctor
from api.shell.output import Output
from tests.integration.transport.papers import Papers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.database.roles import Database
    from tests.vault import Corner

KEY = "rk_test_canary_of_the_doctor"
RIGHTS = (
    *("payment_intent_write", "charge_write", "dispute_read", "payout_read", "event_read"),
    *("balance_transaction_source_read", "v2_outbound_payment_write", "v2_event_read"),
)
PASSWORD = "canary-password-of-the-doctor"


@dataclass
class Ward:
    """A house whose set-up is right, to be spoilt in one way."""

    settings: Settings
    environ: dict[str, str]
    stripe: StripeSimulator
    database: Database
    capture: pytest.CaptureFixture[str]

    def change(self, **said: Any) -> None:
        self.settings = self.settings.model_copy(update=said)

    def examine(self) -> tuple[int, dict[str, str]]:
        """Return the exit code, and what was amiss by name, with what to do."""
        code = doctor(self.settings, Output(json=True), self.environ)
        said = self.capture.readouterr().out
        for canary in (KEY, PASSWORD):
            assert canary not in said
        told = json.loads(said)
        assert told["held"] == (code == 0)
        wrong = [each for each in told["checks"] if not each["held"]]
        assert all(each["todo"] for each in wrong)
        return code, {each["name"]: f"{each['detail']}. {each['todo']}" for each in wrong}

    def administer(self, *statements: str) -> None:
        with psycopg.connect(self.database.admin_dsn, autocommit=True) as connection:
            for each in statements:
                connection.execute(each)


@pytest.fixture
def ward(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Ward]:
    users = {role: f"doctor_{role}" for role in WORKING}
    make_logins(database.admin_dsn, users)
    administer = "CREATE ROLE doctor_owner LOGIN CREATEROLE PASSWORD {word} IN ROLE migrator"
    with psycopg.connect(database.admin_dsn) as connection:
        word = sql.Literal(PASSWORD)
        connection.execute(sql.SQL(administer).format(word=word))
        for user in users.values():
            alter = sql.SQL("ALTER ROLE {user} PASSWORD {word}")
            connection.execute(alter.format(user=sql.Identifier(user), word=word))
    (tmp_path / "checkpoints").mkdir()
    with StripeSimulator() as stripe:
        stripe.guard.restrict(KEY, *RIGHTS)
        settings = Settings(
            home=tmp_path,
            database_url="env:DATABASE_URL",
            database_logins={
                role: LoginSettings(user=user, password="env:DATABASE_PASSWORD")
                for role, user in users.items()
            },
            merchants=(
                MerchantSettings(
                    name="acme", bank="bank", address=stripe.url, financial_account="fa_1"
                ),
            ),
        )
        environ = {
            "DATABASE_URL": make_conninfo(
                database.admin_dsn, user="doctor_owner", password=PASSWORD
            ),
            "DATABASE_PASSWORD": PASSWORD,
            "COUNTERFOIL_STRIPE_ACME_API_KEY": KEY,
            "COUNTERFOIL_STRIPE_ACME_WEBHOOK_SECRETS": "whsec_canary",
        }
        try:
            yield Ward(settings, environ, stripe, database, capsys)
        finally:
            with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
                for user in ("doctor_owner", *users.values()):
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(user)))


def test_a_right_set_up_is_well(ward: Ward) -> None:
    assert ward.examine() == (0, {})


def test_a_right_that_is_missing_in_the_database_is_told(ward: Ward) -> None:
    ward.administer("REVOKE SELECT ON read.wallet FROM finance_reader")

    code, wrong = ward.examine()

    assert code == 1
    assert "missing read.wallet: finance_reader: SELECT" in wrong["database: rights"]


def test_a_right_beyond_need_in_the_database_is_told(ward: Ward) -> None:
    ward.administer("GRANT UPDATE ON book.log TO book_writer")

    code, wrong = ward.examine()

    assert code == 1
    assert "beyond need book.log: book_writer: UPDATE" in wrong["database: rights"]


def test_a_login_for_many_roles_is_told(ward: Ward) -> None:
    ward.administer("GRANT projector TO doctor_finance_reader")
    try:
        code, wrong = ward.examine()
    finally:
        ward.administer("REVOKE projector FROM doctor_finance_reader")

    assert code == 1
    assert "may act as projector too" in wrong["database: finance_reader"]


def test_a_superuser_and_a_login_that_is_not_let_in_are_told(ward: Ward) -> None:
    ward.environ["DATABASE_URL"] = ward.database.admin_dsn
    ward.administer("ALTER ROLE doctor_audit_reader NOLOGIN")

    code, wrong = ward.examine()

    assert code == 1
    assert "superuser" in wrong["database: migrating login"]
    assert "database: audit_reader" in wrong


@pytest.mark.parametrize(
    "address",
    ["host=db.example dbname=book password=hush", "host=127.0.0.1 port=1 password=hush user=a"],
)
def test_a_database_that_is_not_reached_or_not_safely_keeps_everything_else_looked_at(
    ward: Ward, address: str
) -> None:
    ward.environ["DATABASE_URL"] = address

    code, wrong = ward.examine()

    assert code == 1
    assert set(wrong) == {"database", "provider: stripe/acme"}
    assert "hush" not in str(wrong)


def test_a_permission_that_the_provider_does_not_give_is_told(ward: Ward) -> None:
    ward.stripe.guard.restrict(KEY, *(each for each in RIGHTS if each != "payout_read"))

    code, wrong = ward.examine()

    assert code == 1
    assert "missing: GET /v1/payouts" in wrong["provider: stripe/acme: rights"]


def test_a_permission_beyond_need_at_the_provider_is_told(ward: Ward) -> None:
    ward.stripe.guard.restrict(KEY, *RIGHTS, "customer_read")

    code, wrong = ward.examine()

    assert code == 1
    assert "beyond need: GET /v1/customers" in wrong["provider: stripe/acme: rights"]


def test_a_secret_key_where_a_restricted_one_would_do_is_told(ward: Ward) -> None:
    ward.environ["COUNTERFOIL_STRIPE_ACME_API_KEY"] = "sk_test_full"

    code, wrong = ward.examine()

    assert code == 1
    assert "secret key" in wrong["provider: stripe/acme: key"]


def test_a_key_that_the_provider_does_not_know_or_that_is_not_there_is_told(ward: Ward) -> None:
    ward.environ["COUNTERFOIL_STRIPE_ACME_API_KEY"] = "rk_test_unknown"
    assert "AuthenticationError" in ward.examine()[1]["provider: stripe/acme"]

    del ward.environ["COUNTERFOIL_STRIPE_ACME_API_KEY"]
    assert "secret: psp-api-key/acme" in ward.examine()[1]


def test_folders_doors_and_issuers_that_do_not_serve_are_told(ward: Ward, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ward.change(
        checkpoints=CheckpointSettings(folder=tmp_path / "file" / "beneath"),
        home=tmp_path / "nowhere",
        host="0.0.0.0",  # noqa: S104 - nothing binds to it here
        jwks=tmp_path / "no-keys.json",
    )

    code, wrong = ward.examine()

    assert code == 1
    assert set(wrong) >= {"folder: home", "door: transport", "issuer: keys"}


@pytest.mark.parametrize(("kind", "words"), [("right", "0 more days"), ("expired", "has ended")])
def test_a_certificate_that_ends_is_told(ward: Ward, tmp_path: Path, kind: str, words: str) -> None:
    paper = Papers(tmp_path).of(kind)
    ward.change(tls=TlsSettings(certificate=paper.certificate, key=paper.key))

    code, wrong = ward.examine()

    assert code == 1
    assert words in wrong["certificate: ours"]


# --- the vault


@pytest.fixture
def vaulted(ward: Ward, corner: Corner, tmp_path: Path) -> tuple[Ward, Corner]:
    """The same house with its provider's key in a vault."""
    at = corner.reference()
    corner.put(at, KEY)
    identity = corner.identity(at)
    (tmp_path / "proof").write_text(identity.secret_id.reveal(), "utf-8")
    merchant = ward.settings.merchants[0].model_copy(update={"api_key": str(at)})
    vault = VaultSettings(
        address=corner.server.address,
        role_id=identity.role_id,
        secret_id=f"file:{tmp_path / 'proof'}",
    )
    ward.change(vault=vault, merchants=(merchant,))
    return ward, corner


def test_a_right_vault_is_well(vaulted: tuple[Ward, Corner]) -> None:
    assert vaulted[0].examine() == (0, {})


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ('path "kv/data/*" { capabilities = ["read"] }', "beyond need kv/data/not-ours: read"),
        ('path "kv/data/{name}/*" { capabilities = ["read", "update"] }', ": update"),
        ('path "none" { capabilities = ["read"] }', "missing kv/data/"),
        ('path "*" { capabilities = ["sudo", "read"] }', "beyond need"),
    ],
)
def test_a_policy_that_is_too_wide_or_too_narrow_is_told(
    vaulted: tuple[Ward, Corner], policy: str, words: str
) -> None:
    ward, corner = vaulted
    written = policy.replace("{name}", corner.name)
    corner.admin.sys.create_or_update_policy(f"{corner.name}-house", written)

    code, wrong = ward.examine()

    assert code == 1
    assert words in wrong["vault: rights"]


def test_a_proof_that_the_vault_does_not_believe_is_told(
    vaulted: tuple[Ward, Corner], tmp_path: Path
) -> None:
    (tmp_path / "proof").write_text("another", "utf-8")

    code, wrong = vaulted[0].examine()

    assert code == 1
    assert "vault: rights" in wrong
