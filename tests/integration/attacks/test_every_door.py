"""Every guarded door of the API, generated from its description, against every wrong credential."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.app import ROUTERS
from api.door.frame import framed
from api.identity.caller import Caller
from api.identity.devtokens import AUDIENCE, ISSUER
from api.identity.jwks import KeyFile
from api.identity.scopes import MATRIX, ROLES, Door, Matrix, Role, Row
from api.identity.security import Needed, TokenRules, Verifier
from tests.integration.api.street import ENTITY
from tests.integration.attacks.doors import GUARDED, NO_VICTIM, OPENAPI, Victim, Work, shape
from tests.integration.attacks.forgery import Forger, role_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.api.street import Street

NAMES = [f"{row.method} {row.path}" for row in GUARDED]


@pytest.fixture(scope="module")
def forger(shared: Street) -> Forger:
    return Forger(shared.issuer, ENTITY)


@pytest.fixture(scope="module")
def victim(shared: Street) -> Victim:
    return Victim.of(shared)


def strangers(
    ask: Callable[..., httpx.Response], forger: Forger, victim: Victim, rows: tuple[Row, ...]
) -> Iterator[str]:
    """Try every unbelievable credential at every door, and tell what is wrong."""
    for row in rows:
        there, missing = victim.knock(row), NO_VICTIM.knock(row)
        for name, credential in forger.unbelievable(row):
            seen, unseen = there.send(ask, credential), missing.send(ask, credential)
            if seen.status_code != 401 or "bearer" not in seen.headers["www-authenticate"].lower():
                yield f"{row.method} {row.path} answers {name} with {seen.status_code}"
            elif shape(seen) != shape(unseen):
                yield f"{row.method} {row.path} tells {name} what exists"


def intruders(
    ask: Callable[..., httpx.Response], forger: Forger, victim: Victim, rows: tuple[Row, ...]
) -> Iterator[str]:
    """Try every believed token that lacks the right, and tell what is wrong."""
    for row in rows:
        there, missing = victim.knock(row), NO_VICTIM.knock(row)
        for name, credential in forger.powerless(row):
            seen, unseen = there.send(ask, credential), missing.send(ask, credential)
            if seen.status_code != 403:
                yield f"{row.method} {row.path} answers {name} with {seen.status_code}"
            elif shape(seen) != shape(unseen):
                yield f"{row.method} {row.path} tells {name} what exists"


def test_the_description_and_the_matrix_name_the_same_doors() -> None:
    described = {
        (method.upper(), path): operation.get("security", [])
        for path, methods in OPENAPI["paths"].items()
        for method, operation in methods.items()
    }

    assert described.keys() == {(row.method, row.path) for row in MATRIX}
    assert all(described[row.method, row.path] == [{"bearer": [row.scope]}] for row in GUARDED)


def test_no_unbelievable_credential_opens_a_door_or_learns_what_exists(
    shared: Street, forger: Forger, victim: Victim
) -> None:
    with Work().counted(shared.front) as done:
        found = list(strangers(shared.http.request, forger, victim, GUARDED))

    assert not found, "\n".join(found)
    assert not +done, "a stranger made the database work"


def test_no_token_without_the_right_opens_a_door_or_learns_what_exists(
    shared: Street, forger: Forger, victim: Victim
) -> None:
    with Work().counted(shared.front) as done:
        found = list(intruders(shared.http.request, forger, victim, GUARDED))

    assert not found, "\n".join(found)
    assert not +done, "an intruder made the database work"


@pytest.mark.parametrize("row", GUARDED, ids=NAMES)
def test_another_clients_things_cost_and_tell_what_missing_ones_do(
    shared: Street, forger: Forger, victim: Victim, row: Row
) -> None:
    if row.scope not in ROLES[Role.CLIENT]:
        return
    other = str(shared.register("EUR"))
    claims = forger.claims(row, role="client", client=other, sub="service:dashboard")
    credential = f"Bearer {forger.write(claims)}"
    work = Work()
    answers, costs = [], []
    for whose in (victim, NO_VICTIM):
        with work.counted(shared.front) as done:
            answers.append(whose.knock(row).send(shared.http.request, credential))
        costs.append(dict(done))

    assert answers[0].status_code == 404, answers[0].text
    assert shape(answers[0]) == shape(answers[1])
    assert costs[0] == costs[1]
    assert not costs[0].get("appended")


@pytest.mark.parametrize("row", GUARDED, ids=NAMES)
def test_who_may_gets_in(shared: Street, forger: Forger, victim: Victim, row: Row) -> None:
    role = role_for(row)
    more = {"client": victim.client} if role is Role.CLIENT else {}

    answer = victim.knock(row).send(
        shared.http.request, f"Bearer {forger.write(forger.claims(row, **more))}"
    )

    assert answer.status_code not in {401, 403}, answer.text
    # The body of most writes is left empty here: the door is open, the body is not taken.
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("leak", ["GET /v1/clients/{client}", "GET /v1/deposits/{deposit}"])
def test_a_door_left_open_is_found(
    shared: Street, forger: Forger, victim: Victim, leak: str
) -> None:
    opened = next(row for row in GUARDED if f"{row.method} {row.path}" == leak)
    ask = ask_of(house_with_a_hole(shared, opened), shared)
    sound = next(row for row in GUARDED if row.path == "/v1/reviews")

    assert not list(strangers(ask, forger, victim, (sound,)))
    assert all(leak in fault for fault in strangers(ask, forger, victim, (opened, sound)))
    assert list(strangers(ask, forger, victim, (opened,)))
    assert list(intruders(ask, forger, victim, (opened,)))


def house_with_a_hole(street: Street, opened: Row) -> Any:
    """Build the same app, with one row that asks for nothing and believes everybody."""
    rows = [Row(row.method, row.path, door=Door.OPEN) if row == opened else row for row in MATRIX]
    rules = TokenRules(ISSUER, AUDIENCE, frozenset({ENTITY}))

    async def sink(_: object) -> None:
        return None

    app = framed(
        verifier=Verifier(KeyFile(street.issuer.jwks), rules), sink=sink, matrix=Matrix(rows)
    )
    for router in ROUTERS:
        app.include_router(router)
    app.state.front = street.front
    nobody = Caller("service:x", Role.AUDIT, ENTITY, None, frozenset({opened.scope}), "")
    app.dependency_overrides[Needed(opened.scope)] = lambda: nobody
    return app


def ask_of(app: Any, street: Street) -> Callable[..., httpx.Response]:
    """Call an app that no server serves."""

    def ask(method: str, path: str, **what: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            way = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=way, base_url=street.http.base_url) as http:
                return await http.request(method, path, **what)

        return asyncio.run(go())

    return ask
