from __future__ import annotations

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from api.door.problems import DOOR
from api.identity.scopes import Role
from ledger.errors import (
    Busy,
    Conflict,
    GateClosed,
    InsufficientFunds,
    InvalidInput,
    KeyReused,
    LogUnreachable,
    LogUnreadable,
    NotFound,
    OutcomeUnknown,
    QuoteRefused,
    Refusal,
)
from tests.unit.api.small_house import Answer, House


def answer_to(house: House, failure: Exception) -> Answer:
    house.failing.append(failure)
    return house.ask("GET", "/v1/events", token=house.token(Role.AUDIT))


@pytest.mark.parametrize(
    ("failure", "status", "code", "retry"),
    [
        (Refusal("no"), 409, "refused", False),
        (InvalidInput("no", code="amount_decimals"), 422, "amount_decimals", False),
        (NotFound("no"), 404, "not_found", False),
        (NotFound("no", code="no_such_client"), 404, "not_found", False),
        (Conflict("no"), 409, "conflict", False),
        (KeyReused("no"), 422, "idempotency_key_reused", False),
        (InsufficientFunds("no"), 409, "insufficient_funds", True),
        (QuoteRefused("no", code="rate_stale"), 409, "rate_stale", True),
        (GateClosed("no"), 409, "gate_closed", True),
        (Busy("no", retry_after_s=3), 503, "busy", True),
        (OutcomeUnknown(), 503, "outcome_unknown", True),
        (LogUnreadable("no"), 503, "log_unreadable", False),
        (LogUnreachable("no"), 503, "database_unavailable", True),
        (psycopg.OperationalError("no"), 503, "database_unavailable", True),
        (psycopg.errors.AdminShutdown("no"), 503, "database_unavailable", True),
        (psycopg.InterfaceError("no"), 503, "database_unavailable", True),
        (PoolTimeout("no"), 503, "database_unavailable", True),
    ],
)
def test_every_refusal_is_a_problem_with_its_code(
    house: House, failure: Exception, status: int, code: str, *, retry: bool
) -> None:
    answer = answer_to(house, failure)

    assert answer.status == answer.json["status"] == status
    assert (answer.code, answer.json["retry"]) == (code, retry)
    assert answer.json["type"] == f"urn:counterfoil:problem:{code}"
    assert answer.json["title"]
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_refusal_of_a_kind_made_later_still_finds_its_number(house: House) -> None:
    class QuoteGone(QuoteRefused):
        code = "quote_gone"

    assert answer_to(house, QuoteGone("x")).status == 409


def test_busy_says_when_to_come_back(house: House) -> None:
    assert answer_to(house, Busy("no", retry_after_s=3)).headers["retry-after"] == "3"
    assert "retry-after" in answer_to(house, OutcomeUnknown()).headers
    assert "retry-after" in answer_to(house, LogUnreachable()).headers


def test_why_compliance_looks_is_never_told(house: House) -> None:
    hit = answer_to(house, GateClosed("sanctions hit: canary", code="sanctions_hit"))
    review = answer_to(house, GateClosed("manual review", code="under_review"))
    wanted = answer_to(house, GateClosed("canary", code="documents_needed"))

    assert (hit.code, wanted.code) == ("under_review", "documents_needed")
    hit.json.pop("request_id")
    review.json.pop("request_id")
    assert hit.json == review.json
    assert b"canary" not in hit.body + wanted.body


def test_what_was_sent_is_not_in_the_answer(house: House) -> None:
    assert b"canary" not in answer_to(house, InvalidInput("no amount: 'canary'")).body
    assert b"canary" not in answer_to(house, NotFound("no client canary")).body
    assert b"canary" not in answer_to(house, LogUnreadable("canary")).body
    assert b"canary" not in answer_to(house, psycopg.OperationalError("canary")).body


def test_an_unexpected_failure_tells_nothing(house: House) -> None:
    for failure in (
        *(RuntimeError("canary"), AssertionError("canary"), KeyError("canary")),
        psycopg.ProgrammingError("canary"),
    ):
        answer = answer_to(house, failure)

        assert (answer.status, answer.code) == (500, "internal_error")
        assert b"canary" not in answer.body


def test_a_detail_is_one_bounded_line(house: House) -> None:
    detail = answer_to(house, Conflict("a\r\nb\x00" + "c" * 1000)).json["detail"]

    assert detail.startswith("a  b c")
    assert len(detail) == 300


def test_every_code_of_the_door_is_stable_in_form() -> None:
    for code, shut in DOOR.items():
        assert code.replace("_", "").isalpha(), code
        assert code.islower(), code
        assert 400 <= shut.status < 600, code
        assert shut.retry <= (shut.status in {408, 429, 503}), code
