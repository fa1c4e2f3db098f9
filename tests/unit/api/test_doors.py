from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from api.door.frame import Api, check_doors, framed
from api.door.words import IdempotencyKey
from api.identity.caller import Caller
from api.identity.devtokens import AUDIENCE, ISSUER, DevIssuer
from api.identity.jwks import KeyFile
from api.identity.scopes import MATRIX, ROLES, Door, Matrix, Role, Row, UnguardedRoute
from api.identity.security import Needs, TokenRules, Verifier
from tests.unit.api.small_house import ENTITY, House, WithdrawalRequest, call

if TYPE_CHECKING:
    from collections.abc import Callable

READ = Row("GET", "/v1/things", "things:read")
WRITE = Row("POST", "/v1/things", "things:create")


def test_every_scope_of_a_role_opens_a_door_and_every_door_has_a_role() -> None:
    asked = {row.scope for row in MATRIX if row.scope}
    given = frozenset().union(*ROLES.values())

    assert asked == given
    assert ROLES.keys() == set(Role)


def test_no_two_rows_meet_the_samecall() -> None:
    matrix = Matrix()
    for row in MATRIX:
        path = row.path.replace("{", "").replace("}", "")
        meeting = [r for r in MATRIX if r.method == row.method and r.pattern.fullmatch(path)]

        assert meeting == [row]
        assert matrix.find(row.method, path) is not None


def test_everything_but_health_asks_for_a_credential() -> None:
    assert {row.path for row in MATRIX if row.door is Door.OPEN} == {"/healthz", "/readyz"}


def test_releasing_money_and_pricing_ask_for_a_person() -> None:
    people = {row.scope for row in MATRIX if row.person}
    assert people == {"withdrawals:approve", "clients:unfreeze", "rates:set"}


def test_the_monitor_reads_and_enforcement_stops_and_neither_does_more() -> None:
    assert all(scope.endswith(":read") for scope in ROLES[Role.RISK_MONITOR])
    assert ROLES[Role.ENFORCEMENT] == {"clients:freeze"}


def test_who_talks_to_clients_learns_nothing_of_withdrawals() -> None:
    assert not any("withdrawal" in scope or "kyc" in scope for scope in ROLES[Role.CRM])


def test_a_role_changes_money_only_where_the_policy_says() -> None:
    def holders(scope: str) -> set[Role]:
        return {role for role, scopes in ROLES.items() if scope in scopes}

    assert holders("withdrawals:approve") == {Role.OPERATIONS, Role.COMPLIANCE}
    assert holders("kyc:decide") == {Role.COMPLIANCE}
    assert holders("rates:set") == {Role.FINANCE}
    assert all(scope.endswith(":read") for scope in ROLES[Role.AUDIT])


def app_with(tmp_path: Path, *rows: Row) -> Api:
    issuer = DevIssuer.at_home(tmp_path)
    rules = TokenRules(ISSUER, AUDIENCE, frozenset({ENTITY}))

    async def sink(_: object) -> None:
        return None

    verifier = Verifier(KeyFile(issuer.jwks), rules)
    return framed(verifier=verifier, sink=sink, matrix=Matrix(rows))


def good_reader(app: FastAPI) -> None:
    @app.get("/v1/things")
    async def read(caller: Annotated[Caller, Needs("things:read")]) -> str:
        return ""


def good_writer(app: FastAPI) -> None:
    @app.post("/v1/things")
    async def create(
        body: WithdrawalRequest,
        caller: Annotated[Caller, Needs("things:create")],
        key: IdempotencyKey,
    ) -> str:
        return ""


def without_caller(app: FastAPI) -> None:
    @app.get("/v1/things")
    async def read() -> str:
        return ""


def with_another_scope(app: FastAPI) -> None:
    @app.get("/v1/things")
    async def read(caller: Annotated[Caller, Needs("things:create")]) -> str:
        return ""


def by_a_stock_router(app: FastAPI) -> None:
    router = APIRouter()
    good_reader(router)  # type: ignore[arg-type]
    app.include_router(router)


def by_a_mount(app: FastAPI) -> None:
    good_reader(app)
    app.mount("/files", Response())


class Loose(BaseModel):
    amount: float


def with_a_loose_body(app: FastAPI) -> None:
    @app.post("/v1/things")
    async def create(
        body: Loose, caller: Annotated[Caller, Needs("things:create")], key: IdempotencyKey
    ) -> str:
        return ""


def with_a_body_of_any_kind(app: FastAPI) -> None:
    @app.post("/v1/things")
    async def create(
        body: dict[str, str],
        caller: Annotated[Caller, Needs("things:create")],
        key: IdempotencyKey,
    ) -> str:
        return ""


def without_key(app: FastAPI) -> None:
    @app.post("/v1/things")
    async def create(caller: Annotated[Caller, Needs("things:create")]) -> str:
        return ""


def with_one_route_too_many(app: FastAPI) -> None:
    good_reader(app)

    @app.delete("/v1/things")
    async def delete() -> str:
        return ""


def with_none(app: FastAPI) -> None:
    del app


@pytest.mark.parametrize(("row", "build"), [(READ, good_reader), (WRITE, good_writer)])
def test_starts_with_every_door_as_the_matrix_says(
    tmp_path: Path, row: Row, build: Callable[[FastAPI], None]
) -> None:
    app = app_with(tmp_path, row)
    build(app)

    check_doors(app)


@pytest.mark.parametrize(
    ("row", "build", "fault"),
    [
        (READ, with_none, "rows without a route"),
        (READ, with_one_route_too_many, "routes without a row"),
        (READ, by_a_mount, "routes without a row"),
        (READ, without_caller, "the matrix says"),
        (READ, with_another_scope, "the matrix says"),
        (READ, by_a_stock_router, "StrictRouter"),
        (WRITE, with_a_loose_body, "RequestModel"),
        (WRITE, with_a_body_of_any_kind, "RequestModel"),
        (WRITE, without_key, "Idempotency-Key"),
    ],
)
def test_does_not_start_with_a_door_ajar(
    tmp_path: Path, row: Row, build: Callable[[FastAPI], None], fault: str
) -> None:
    app = app_with(tmp_path, row)
    build(app)

    with pytest.raises(UnguardedRoute, match=fault):
        check_doors(app)


def test_a_route_outside_the_gate_stays_shut(tmp_path: Path) -> None:
    app = app_with(tmp_path, Row("GET", "/v1/things", door=Door.OPEN))
    good_reader(app)

    answer = asyncio.run(call(app, "GET", "/v1/things", b"", [], []))

    assert (answer.status, answer.code) == (401, "token_missing")
    with pytest.raises(UnguardedRoute):
        check_doors(app)


def test_a_route_asks_by_its_own_word_too(tmp_path: Path) -> None:
    app = app_with(tmp_path, Row("GET", "/v1/things", "disputes:read"))
    good_reader(app)
    token = DevIssuer.at_home(tmp_path).mint(Role.AUDIT, ENTITY)
    bearer = (b"authorization", b"Bearer " + token.encode())

    answer = asyncio.run(call(app, "GET", "/v1/things", b"", [bearer], []))

    assert (answer.status, answer.code) == (403, "scope_missing")


def test_openapi_shows_the_body_the_problems_and_the_credential(new_house: House) -> None:
    schema = new_house.app.openapi()

    create = schema["paths"]["/v1/withdrawals"]["post"]
    ref = create["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert schema["components"]["schemas"][ref.rsplit("/", 1)[1]]["additionalProperties"] is False
    assert {"400", "401", "403", "404", "409", "413", "415", "422", "503"} <= set(
        create["responses"]
    )
    assert create["security"] == [{"bearer": ["withdrawals:create"]}]
    (key,) = [p for p in create["parameters"] if p["name"] == "Idempotency-Key"]
    assert key["required"] is True
    assert "security" not in schema["paths"]["/healthz"]["get"]
    assert set(schema["paths"]["/healthz"]["get"]["responses"]) == {
        *("200", "400", "404", "414", "429", "431", "503", "default")
    }
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    assert "application/problem+json" in schema["components"]["responses"]["Problem"]["content"]
    assert new_house.app.openapi() == schema
