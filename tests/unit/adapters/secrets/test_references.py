"""References are read strictly; what looks like a secret in their place is refused, unquoted."""

from __future__ import annotations

import pytest

from adapters.secrets.port import NoReference, Reference, Secret
from adapters.secrets.session import AddressRefused, AppRole, VaultSession
from adapters.secrets.shapes import plain_secrets


@pytest.mark.parametrize(
    "text",
    [
        "vault:kv/psp/stripe#api_key",
        "vault:transit/keys/checkpoint",
        "vault:database/static-creds/book-writer#password",
        "env:COUNTERFOIL_STRIPE_API_KEY",
        "file:/run/credentials/counterfoil/api-key",
        "cred:api-key",
    ],
)
def test_a_reference_is_read_and_written_the_same(text: str) -> None:
    assert str(Reference.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk_live_canary",
        "vault:",
        "vault:kv",
        "vault:kv/../sys/seal#x",
        "vault:kv/a/../../sys#x",
        "vault:kv/a?list=true#x",
        "vault:kv/a#x\n",
        "vault:kv//a#x",
        "env:lower",
        "env:A B",
        "file:relative",
        "file:/a b",
        "cred:../x",
        "cred:a/b",
        "http://x",
        "env:A#b",
        "VAULT:kv/a#b",
    ],
)
def test_what_is_no_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(NoReference) as told:
        Reference.parse(text)

    assert text.startswith("vault:") or not text or text not in str(told.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example:8200",
        "http://10.0.0.1:8200",
        "ftp://127.0.0.1",
        "https://user:pw@vault.example",
        "127.0.0.1:8200",
        "",
        "http://127.0.0.1.example.com",
    ],
)
def test_a_vault_that_would_carry_secrets_in_the_clear_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        VaultSession(address, AppRole("role", lambda: Secret("proof")))


@pytest.mark.parametrize(
    "address", ["https://vault.example:8200", "http://127.0.0.1:8200", "http://[::1]:8200"]
)
def test_control_a_safe_address_is_taken(address: str) -> None:
    VaultSession(address, AppRole("role", lambda: Secret("proof")))


PLAIN = {
    "merchants": [{"name": "stripe-eu", "api_key": "sk_live_canary1"}],
    "a": {"hook": "whsec_canary2"},
    "key": "-----BEGIN EC PRIVATE KEY-----",
    "dsn": "host=db password=canary3",
    "url": "postgresql://writer:canary4@db/books",
    "token": "eyJhbGciOiJub25l.eyJzdWIiOiJ4In0.canary5",
    "vault": "hvs.CAESIcanary6canary6canary6",
    "whsec_canary7": "pasted in the wrong place",
}


def test_every_shape_of_a_secret_is_found_and_never_quoted() -> None:
    found = list(plain_secrets(PLAIN))

    assert len({at for at, _ in found}) == len(PLAIN)
    assert "canary" not in str(found)


def test_control_references_and_ordinary_words_are_no_secrets() -> None:
    fine = {
        "api_key": "vault:kv/psp/stripe#api_key",
        "url": "postgresql://writer@db.example:5432/books?sslmode=verify-full",
        "name": "s.o.s and eye, sk and whsec",
        "number": 7,
        "list": ["https://api.stripe.com", None],
    }

    assert not list(plain_secrets(fine))
