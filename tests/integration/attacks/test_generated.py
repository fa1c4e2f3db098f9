"""Calls made up from the API's own description: none breaks anything, none surprises a reader.

The examples are drawn without chance, so a failure comes back by itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from api.door.problems import MEDIA_TYPE
from api.identity.scopes import MATRIX, Door, Role, Row
from tests.integration.api.street import ENTITY
from tests.integration.attacks.doors import OPENAPI
from tests.integration.attacks.forgery import Forger, role_for

if TYPE_CHECKING:
    from tests.integration.api.street import Street

EXAMPLES = 25
CODE = re.compile(r"[a-z][a-z0-9_]{2,63}")
SCHEMA = schemathesis.openapi.from_dict(OPENAPI)


def asks_something(row: Row) -> bool:
    """Tell whether a call has anything in it that could be wrong."""
    described = OPENAPI["paths"][row.path][row.method.lower()]
    return bool({"parameters", "requestBody"} & described.keys()) and row.door is Door.BEARER


def faults(answer: httpx.Response, row: Row) -> list[str]:
    """Tell what an answer does that the description does not say."""
    described = OPENAPI["paths"][row.path][row.method.lower()]["responses"]
    found = []
    if answer.status_code >= 500 and answer.status_code != 503:
        found.append("our fault")
    if str(answer.status_code) not in described:
        found.append(f"{answer.status_code} is not described")
    if answer.is_success:
        return found
    if answer.headers.get("content-type") != MEDIA_TYPE:
        return [*found, "a refusal that is no problem"]
    told = answer.json()
    if told["status"] != answer.status_code or not CODE.fullmatch(told["code"]):
        found.append("a problem that contradicts itself")
    if answer.headers.get("cache-control") != "no-store":
        found.append("an answer that may be kept")
    return found


@pytest.mark.parametrize(
    ("row", "mode"),
    [
        pytest.param(row, mode, id=f"{row.method} {row.path} {mode.value}")
        for row in MATRIX
        for mode in GenerationMode
        # A call of which nothing is described cannot be described wrongly.
        if mode is GenerationMode.POSITIVE or asks_something(row)
    ],
)
def test_what_the_description_makes_up_is_answered_as_it_says(
    shared: Street, row: Row, mode: GenerationMode
) -> None:
    credential = credential_of(shared, row)
    book = shared.house.book

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(SCHEMA[row.path][row.method].as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        head = book.head()
        answer = sent(shared.http, case, credential)

        if answer is None:
            return
        assert not faults(answer, row), (answer.status_code, answer.text, case.path_parameters)
        assert answer.is_success or book.head() == head, "a refusal was booked"

    attempt()


def test_what_is_not_described_is_found() -> None:
    row = next(row for row in MATRIX if row.path == "/v1/rates")
    told = {"status": 409, "code": "quote_pair"}
    good = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}

    assert not faults(httpx.Response(409, json=told, headers=good), row)
    for wrong in (
        httpx.Response(409, json=told, headers=good | {"content-type": "text/html"}),
        httpx.Response(409, json=told, headers=good | {"cache-control": "max-age=9"}),
        httpx.Response(409, json=told | {"status": 400}, headers=good),
        httpx.Response(409, json=told | {"code": "Oh no!"}, headers=good),
        httpx.Response(418, json=told | {"status": 418}, headers=good),
        httpx.Response(500, json=told | {"status": 500}, headers=good),
        httpx.Response(204),
    ):
        assert faults(wrong, row), wrong


def sent(http: httpx.Client, case: Any, credential: dict[str, str]) -> httpx.Response | None:
    """Send a made-up call by our own client; None where no client could write it down."""
    how = case.as_transport_kwargs()
    try:
        return http.request(
            how["method"],
            how["url"],
            params=how.get("params"),
            headers={**dict(how.get("headers") or {}), **credential},
            content=how.get("data"),
            json=how.get("json"),
        )
    except (TypeError, ValueError, UnicodeError):
        return None


def credential_of(street: Street, row: Row) -> dict[str, str]:
    if row.door is not Door.BEARER:
        return {}
    more = {"client": street.register("EUR")} if role_for(row) is Role.CLIENT else {}
    forger = Forger(street.issuer, ENTITY)
    return {"Authorization": f"Bearer {forger.write(forger.claims(row, **more))}"}
