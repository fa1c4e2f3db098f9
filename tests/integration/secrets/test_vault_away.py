"""The vault is sealed, denies us, or cannot be reached: what goes on, what is told, what recovers.

`COUNTERFOIL_DRILL_SEALED_S=30` seals it for as long as a drill does.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from adapters.secrets.keeper import Keeper
from adapters.secrets.port import Secret, SecretsDenied, SecretsUnavailable
from adapters.secrets.session import AppRole, VaultSession
from adapters.secrets.vault import Vault
from api.identity.scopes import Role
from tests.integration.api.street import deposit
from tests.integration.store.proxy import LossyProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.api.street import Street
    from tests.integration.secrets.conftest import OpenVaulted
    from tests.vault import Corner

SEALED_S = float(os.environ.get("COUNTERFOIL_DRILL_SEALED_S", "2.5"))
SERVED_S = 1.0


@pytest.fixture
def unsealed_again(corner: Corner) -> Iterator[Corner]:
    """Whatever the test does, the next one finds the vault open."""
    yield corner
    corner.server.unseal()


def readiness(street: Street) -> tuple[int, bool]:
    answer = street.http.get("/readyz")
    return answer.status_code, answer.json().get("degraded", False)


def becomes(look: Callable[[], object], wanted: object) -> None:
    deadline = time.monotonic() + 20
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_while_it_is_sealed_work_goes_on_or_is_told_later_and_nothing_is_lost(
    open_vaulted: OpenVaulted, unsealed_again: Corner
) -> None:
    vaulted = open_vaulted(served_s_max=SERVED_S)
    street = vaulted.street
    client = street.register("EUR")
    early, late = (street.announce(client, amount, "EUR") for amount in ("10.00", "20.00"))
    assert readiness(street) == (200, False)
    vaulted.corner.server.seal()
    sealed_at = time.monotonic()
    becomes(lambda: readiness(street), (200, True))
    street.stripe.pay(early["reference"])
    assert street.stripe.deliver().refused == 0
    becomes(lambda: readiness(street), (503, False))
    hook = "/webhooks/stripe/stripe-eu"
    becomes(lambda: street.http.post(hook, content=b"{}").status_code, 503)

    street.stripe.pay(late["reference"])
    turned_away = street.stripe.deliver()
    codes = set()
    while time.monotonic() - sealed_at < SEALED_S:
        asked = street.look(Role.CLIENT, f"/v1/clients/{client}/wallets", whose=client)
        made = street.ask(Role.CLIENT, "/v1/deposits", deposit(client), whose=client)
        codes |= {asked.status_code, made.status_code}
        time.sleep(0.1)
    vaulted.corner.server.unseal()
    becomes(lambda: readiness(street), (200, False))
    street.calm()

    assert turned_away.refused > 0
    assert codes <= {200, 201, 202, 503}, codes
    assert street.wallet(client, "EUR")["available"] == "30.00"


def test_a_vault_that_stays_away_makes_the_house_unready_while_it_serves_on(
    open_vaulted: OpenVaulted, unsealed_again: Corner
) -> None:
    vaulted = open_vaulted(unready_s=0)
    street = vaulted.street
    client = street.register("EUR")
    vaulted.corner.server.seal()
    becomes(lambda: readiness(street), (503, False))
    announced = street.announce(client, "10.00", "EUR")
    street.stripe.pay(announced["reference"])
    refused = street.stripe.deliver().refused
    vaulted.corner.server.unseal()
    becomes(lambda: readiness(street), (200, False))
    street.calm()

    assert refused == 0
    assert street.wallet(client, "EUR")["available"] == "10.00"


def test_a_message_that_cannot_be_verified_now_is_asked_for_again_and_not_called_forged(
    open_vaulted: OpenVaulted, unsealed_again: Corner
) -> None:
    vaulted = open_vaulted(served_s_max=0)
    street = vaulted.street
    vaulted.corner.server.seal()
    becomes(lambda: readiness(street), (503, False))
    answer = street.http.post("/webhooks/stripe/stripe-eu", content=b"{}")

    assert (answer.status_code, answer.json()["code"]) == (503, "secrets_unavailable")
    assert answer.json()["retry"] is True
    assert not street.front.unverified.samples


def test_a_policy_that_denies_us_is_told_and_its_return_is_found(open_vaulted: OpenVaulted) -> None:
    vaulted = open_vaulted()
    vaulted.corner.deny()
    becomes(lambda: readiness(vaulted.street), (200, True))
    metrics = vaulted.street.http.get("/metrics", headers=vaulted.street.headers(Role.OPERATOR))
    vaulted.corner.allow(vaulted.references)
    becomes(lambda: readiness(vaulted.street), (200, False))

    assert 'counterfoil_upkeep_failing{part="secrets"} 1.0' in metrics.text
    assert 'counterfoil_secret_unread{secret="psp-api-key/stripe-eu"} 1.0' in metrics.text


# --- logins and ways


def test_a_token_that_cannot_be_renewed_is_replaced(corner: Corner) -> None:
    reference = corner.reference()
    corner.put(reference, "sk_test_x")
    short = corner.identity(reference, life="1s", most="2s")
    vault = corner.opened(short)
    until = time.monotonic() + 3.5
    while time.monotonic() < until:
        assert vault.read(reference).reveal() == "sk_test_x"
        time.sleep(0.1)
    vault.close()


def test_a_token_that_was_revoked_is_replaced(corner: Corner) -> None:
    reference = corner.reference()
    corner.put(reference, "sk_test_x")
    vault = corner.opened(corner.identity(reference))
    vault.read(reference)
    corner.admin.auth.token.revoke(vault._session._token.reveal())

    assert vault.read(reference).reveal() == "sk_test_x"
    vault.close()


def test_a_role_that_may_not_come_in_any_more_is_denied(corner: Corner) -> None:
    reference = corner.reference()
    corner.put(reference, "sk_test_x")
    vault = corner.opened(corner.identity(reference))
    vault.read(reference)
    corner.admin.auth.approle.delete_role(f"{corner.name}-house")
    corner.admin.auth.token.revoke(vault._session._token.reveal())
    with pytest.raises(SecretsDenied):
        vault.read(reference)


def test_a_cut_way_is_unavailable_and_recovers(corner: Corner) -> None:
    reference = corner.reference()
    corner.put(reference, "sk_test_x")
    identity = corner.identity(reference)
    with LossyProxy(corner.server.port) as way:
        vault = corner.opened(identity, address=f"http://127.0.0.1:{way.port}")
        assert vault.read(reference).reveal() == "sk_test_x"
        way.cut()
        assert vault.read(reference).reveal() == "sk_test_x"
        way.refuse_connections()
        with pytest.raises(SecretsUnavailable):
            vault.read(reference)
        way.admit_connections()
        assert vault.read(reference).reveal() == "sk_test_x"
        vault.close()


def test_a_vault_that_never_answers_holds_nobody_for_long(corner: Corner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        role = AppRole("role", lambda: Secret("proof"))
        keeper = Keeper({"vault": Vault(VaultSession(address, role, answer_s=0.2))})
        with pytest.raises(SecretsUnavailable):
            keeper.read(corner.reference())
        keeper.close()
