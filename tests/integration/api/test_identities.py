"""Service identities of a real issuer: OpenBao signs, and we believe what it publishes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from api.identity.issuer import ASK_AGAIN_S_MIN, KeyUrl
from api.identity.scopes import Role
from api.identity.security import Disbelief, TokenRules, Verifier
from ledger.ids import EntityId
from tests.integration.api.bao_issuer import Bao, claims_of, serving_bao
from tests.integration.api.street import open_street

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.database.roles import Database
    from api.identity.caller import Caller
    from tests.integration.api.bao_issuer import Service

AUDIENCE = "counterfoil"
METADATA = {"role": "audit", "entity": "acme-cy", "scope": "events:read balances:read rates:set"}


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    with serving_bao(tmp_path_factory.mktemp("bao") / "bao.log") as bao:
        yield bao


@pytest.fixture(scope="module", params=["EdDSA", "RS256"])
def service(bao: Bao, request: pytest.FixtureRequest) -> Service:
    name = f"auditor-{request.param}".lower()
    bao.issues_identities(name, audience=AUDIENCE, algorithm=request.param, ttl="10m")
    return bao.service(name, name, METADATA)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def verifier(bao: Bao, clock: Clock, **changes: str) -> Verifier:
    said = {"issuer": bao.issuer, "audience": AUDIENCE} | changes
    rules = TokenRules(said["issuer"], said["audience"], frozenset({EntityId("acme-cy")}))
    return Verifier(KeyUrl(bao.jwks, monotonic=clock), rules)


def believed(verifier: Verifier, token: str) -> Caller:
    return asyncio.run(verifier.caller(token))


def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(Disbelief) as raised:
        asyncio.run(verifier.caller(token))
    return raised.value.reason


def test_a_service_logs_in_and_is_believed_with_the_scopes_of_its_role(
    bao: Bao, service: Service
) -> None:
    caller = believed(verifier(bao, Clock()), service.jwt())

    assert caller.subject == f"service:{service.identity}"
    assert (caller.role, caller.entity, caller.is_person) == ("audit", "acme-cy", False)
    # What the issuer grants beyond the role is not granted here.
    assert caller.scopes == {"events:read", "balances:read"}


def test_another_audience_or_issuer_is_not_believed(bao: Bao, service: Service) -> None:
    token = service.jwt()

    assert refused(verifier(bao, Clock(), audience="payroll"), token) == "another audience"
    assert (
        refused(verifier(bao, Clock(), issuer="https://other.example"), token) == "another issuer"
    )


def test_old_and_new_key_serve_together_while_both_are_published(
    bao: Bao, service: Service
) -> None:
    clock = Clock()
    door = verifier(bao, clock)
    old = service.jwt()
    believed(door, old)
    bao.write(f"identity/oidc/key/{service.oidc_role}/rotate")
    new = service.jwt()
    clock.now += ASK_AGAIN_S_MIN

    assert believed(door, new).subject == believed(door, old).subject


def test_a_key_that_the_issuer_withdraws_at_once_opens_nothing_after_the_next_look(
    bao: Bao, service: Service
) -> None:
    clock = Clock()
    door = verifier(bao, clock)
    stolen = service.jwt()
    believed(door, stolen)
    bao.write(f"identity/oidc/key/{service.oidc_role}/rotate", verification_ttl="0s")
    bao.write(f"identity/oidc/key/{service.oidc_role}/rotate", verification_ttl="0s")
    clock.now += 3600

    assert refused(door, stolen) == "a key that we do not know"
    assert believed(door, service.jwt()).role == "audit"


def test_a_service_cannot_ask_for_the_identity_of_another(bao: Bao, service: Service) -> None:
    other = f"other-{service.oidc_role}"
    bao.write(f"identity/oidc/role/{other}", key=service.oidc_role, client_id=AUDIENCE, ttl="10m")

    assert service.token(other).status_code == 403
    assert service.token().status_code == 200


def test_a_life_that_is_too_long_is_not_believed(bao: Bao, service: Service) -> None:
    role = f"identity/oidc/role/{service.oidc_role}"
    bao.write(role, ttl="2h")
    try:
        token = service.jwt()
        said = claims_of(token)
        assert said["exp"] - said["iat"] == 7200
        assert refused(verifier(bao, Clock()), token) == "a lifetime that policy does not allow"
    finally:
        bao.write(role, ttl="10m")


def test_a_service_reads_over_http_what_its_role_may_and_is_recorded_by_its_identity(
    bao: Bao, service: Service, database: Database, tmp_path: Path
) -> None:
    says: dict[str, Any] = {"jwks": bao.jwks, "issuer": bao.issuer, "audience": AUDIENCE}
    with open_street(database, tmp_path, **says) as street:

        def status(path: str, token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return street.http.get(path, headers=headers).status_code

        assert status("/v1/events", service.jwt()) == 200
        assert status("/v1/deposits", service.jwt()) == 403
        # The sandbox's own key is nobody's here.
        assert status("/v1/events", street.token(Role.AUDIT)) == 401
        with psycopg.connect(database.dsn("audit_reader")) as connection:
            found = connection.execute("SELECT convert_from(state, 'UTF8') FROM book.access")
            assert any(f"service:{service.identity}" in state for (state,) in found)
