"""RFC 9457 problems: the one place that knows HTTP numbers.

Every answer that is not a success is `application/problem+json` with a stable `code`. Texts are
ours: what a caller sent is never repeated, what exists but is not the caller's looks missing, and
why a gate is shut is told in one of the client-safe codes only (`docs/policies.md`).
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from adapters.secrets.port import SecretsError
from api.door.context import call_of
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

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request

LOG: Final = logging.getLogger("counterfoil.http")
MEDIA_TYPE: Final = "application/problem+json"
DETAIL_CHARS_MAX: Final = 300
VIOLATIONS_MAX: Final = 20
RETRY_AFTER_S: Final = 1

CLIENT_SAFE_CODES: Final = frozenset(
    {"documents_needed", "under_review", "provider_delay", "limit", "gate_closed"}
)

STATUS_OF: Final[Mapping[type[Exception], HTTPStatus]] = {
    Refusal: HTTPStatus.CONFLICT,
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    InsufficientFunds: HTTPStatus.CONFLICT,
    QuoteRefused: HTTPStatus.CONFLICT,
    GateClosed: HTTPStatus.CONFLICT,
    Busy: HTTPStatus.SERVICE_UNAVAILABLE,
    OutcomeUnknown: HTTPStatus.SERVICE_UNAVAILABLE,
    LogUnreadable: HTTPStatus.SERVICE_UNAVAILABLE,
}
DATABASE_AWAY: Final = (LogUnreachable, psycopg.OperationalError, psycopg.InterfaceError)
"""The database does not answer; that no connection was free in time is among the first."""

_SAFE_DETAIL: Final[Mapping[type[Refusal], str]] = {
    # The ledger's own words may hold what was sent, or why compliance looks.
    InvalidInput: "a value is not acceptable; `code` names the rule",
    NotFound: "nothing of that name here",
    GateClosed: "the request is held back",
}


class Shut(NamedTuple):
    """How the door says no: status, words, and whether the same request may succeed later."""

    status: int
    detail: str
    retry: bool = False


_KEY_RULE: Final = "writes need one Idempotency-Key of 1 to 255 visible ASCII characters"
_LATER: Final = "not now; ask again with the same Idempotency-Key"

DOOR: Final[Mapping[str, Shut]] = {
    "bad_cursor": Shut(400, "the cursor is not one of this listing"),
    "bad_query": Shut(400, "the query string is malformed, or names a parameter twice"),
    "bad_request": Shut(400, "the request cannot be read"),
    "duplicate_header": Shut(400, "a header that must be single came twice"),
    "duplicate_key": Shut(400, "an object names a key twice"),
    "idempotency_key_invalid": Shut(400, _KEY_RULE),
    "idempotency_key_missing": Shut(400, _KEY_RULE),
    "json_too_deep": Shut(400, "the body nests too deep"),
    "malformed_json": Shut(400, "the body is not JSON in UTF-8"),
    "number_out_of_range": Shut(400, "a number in the body is out of range"),
    "webhook_refused": Shut(400, "the message does not verify"),
    "token_missing": Shut(401, "a bearer token is needed"),
    "token_expired": Shut(401, "the token has expired"),
    "token_invalid": Shut(401, "the token is not believed"),
    "scope_missing": Shut(403, "the token does not open this door"),
    "person_needed": Shut(403, "only a person may do this"),
    "not_found": Shut(404, "nothing of that name here"),
    "method_not_allowed": Shut(405, "the resource does not know this method"),
    "body_too_slow": Shut(408, "the body did not arrive in time", retry=True),
    "body_too_large": Shut(413, "the body is larger than this door takes"),
    "query_too_long": Shut(414, "the query string is too long"),
    "media_type_unsupported": Shut(415, "the body must be application/json"),
    "validation_failed": Shut(422, "the request breaks its schema"),
    "rate_limited": Shut(429, "too many calls; `Retry-After` says when", retry=True),
    "headers_too_large": Shut(431, "the headers are larger than this door takes"),
    "database_unavailable": Shut(503, "the books cannot be reached now; ask again", retry=True),
    "internal_error": Shut(500, "this is our fault; it has been noted"),
    "access_log_unavailable": Shut(503, _LATER, retry=True),
    "keys_unavailable": Shut(503, "tokens cannot be checked now", retry=True),
    "secrets_unavailable": Shut(503, "a secret that this needs cannot be had now", retry=True),
    "log_unreadable": Shut(503, "the book takes no writes now"),
    "not_ready": Shut(503, "not ready to serve", retry=True),
    "not_yet": Shut(503, "what `after` names cannot be read yet; ask again", retry=True),
    "outcome_unknown": Shut(
        503,
        "whether it was done is not known yet; ask again with the same Idempotency-Key",
        retry=True,
    ),
}
"""Every code that is no rule of the books."""

_HEADERS_OF_STATUS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "Bearer"},
    403: {"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
    # What is still to come of the body is not worth reading.
    408: {"Connection": "close"},
    413: {"Connection": "close"},
    503: {"Retry-After": str(RETRY_AFTER_S)},
}

_DOOR_CODE_OF_STATUS: Final = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
}
"""What the framework itself refuses, told in our codes; anything else it raises is our fault."""


class Violation(BaseModel):
    """One rule that a request broke: where, and which; never what was sent."""

    model_config = ConfigDict(frozen=True)

    at: str = Field(examples=["/body/amount"])
    rule: str = Field(examples=["string_pattern_mismatch"])


class Problem(BaseModel):
    """Why a request was not served (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(examples=["urn:counterfoil:problem:insufficient_funds"])
    title: str
    status: int
    detail: str
    code: str = Field(description="Public and stable.", examples=["insufficient_funds"])
    request_id: str
    retry: bool = Field(description="Whether the same request may succeed later.")
    violations: tuple[Violation, ...] | None = None


class ApiProblem(HTTPException):
    """A request that the door itself refuses, before any rule of the books is asked."""

    def __init__(
        self,
        code: str,
        *,
        headers: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] | None = None,
    ) -> None:
        shut = DOOR[code]
        super().__init__(shut.status, shut.detail, headers)
        self.code = code
        self.violations = violations


def problem_response(scope: MutableMapping[str, Any], exc: Exception) -> Response:
    """Render any exception; one that nobody expected becomes a bare 500."""
    match exc:
        case ApiProblem():
            return _shut(scope, exc.code, exc.headers, exc.violations)
        case RequestValidationError():
            return _invalid(scope, exc.errors())
        case Refusal():
            return _refused(scope, exc)
        case SecretsError():
            LOG.warning("a call needs a secret: %s", exc)
            return _shut(scope, "secrets_unavailable")
        case OutcomeUnknown():
            return _shut(scope, "outcome_unknown")
        case LogUnreadable():
            return _shut(scope, "log_unreadable")
        case LogUnreachable() | psycopg.OperationalError() | psycopg.InterfaceError():
            LOG.warning("the database does not answer: %s", type(exc).__name__)
            return _shut(scope, "database_unavailable")
        case HTTPException() if exc.status_code in _DOOR_CODE_OF_STATUS:
            return _shut(scope, _DOOR_CODE_OF_STATUS[exc.status_code], exc.headers)
        case _:
            return _shut(scope, "internal_error")


def install(app: FastAPI) -> None:
    """Make the app answer with problems. What is unexpected rises to the outermost middleware."""

    async def answer(request: Request, exc: Exception) -> Response:
        return problem_response(request.scope, exc)

    ours = (Refusal, SecretsError, OutcomeUnknown, LogUnreadable, *DATABASE_AWAY)
    for kind in (*ours, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _shut(
    scope: MutableMapping[str, Any],
    code: str,
    headers: Mapping[str, str] | None = None,
    violations: tuple[Violation, ...] | None = None,
) -> Response:
    shut = DOOR[code]
    extra = dict(headers or {})
    extra.update(_HEADERS_OF_STATUS.get(shut.status, {}))
    problem = Problem(
        type=_uri(code),
        title=HTTPStatus(shut.status).phrase,
        status=shut.status,
        detail=shut.detail,
        code=code,
        request_id=call_of(scope).request_id,
        retry=shut.retry,
        violations=violations,
    )
    return _response(problem, extra)


def _refused(scope: MutableMapping[str, Any], refusal: Refusal) -> Response:
    status = next(STATUS_OF[kind] for kind in type(refusal).__mro__ if kind in STATUS_OF)
    safe = next((_SAFE_DETAIL[kind] for kind in _SAFE_DETAIL if isinstance(refusal, kind)), None)
    code = refusal.public_code
    if isinstance(refusal, NotFound):
        code = NotFound.code
    elif isinstance(refusal, GateClosed) and code not in CLIENT_SAFE_CODES:
        code = "under_review"
    detail = "".join(c if c.isprintable() else " " for c in safe or refusal.detail)
    problem = Problem(
        type=_uri(code),
        title=status.phrase,
        status=status,
        detail=detail[:DETAIL_CHARS_MAX],
        code=code,
        request_id=call_of(scope).request_id,
        retry=refusal.retry,
    )
    headers = {"Retry-After": str(refusal.retry_after_s)} if isinstance(refusal, Busy) else {}
    return _response(problem, headers)


def _invalid(scope: MutableMapping[str, Any], errors: Sequence[Mapping[str, Any]]) -> Response:
    if any(error["loc"][:1] == ("path",) for error in errors):
        # An id that cannot exist does not exist.
        return _refused(scope, NotFound("malformed id"))
    for error in errors:
        if [str(part).lower() for part in error["loc"]] == ["header", "idempotency-key"]:
            missing = error["type"] == "missing"
            return _shut(scope, f"idempotency_key_{'missing' if missing else 'invalid'}")
    return _shut(scope, "validation_failed", violations=violations(errors))


def violations(errors: Sequence[Any], at: str = "") -> tuple[Violation, ...]:
    """Say of pydantic's errors where and which rule, and nothing that was sent."""
    return tuple(_violation(error, at) for error in errors[:VIOLATIONS_MAX])


def _violation(error: Mapping[str, Any], at: str) -> Violation:
    loc, rule = tuple(error["loc"]), str(error["type"])
    if rule == "extra_forbidden":
        # The last part is a name that the sender chose.
        loc = loc[:-1]
    return Violation(at=at + "".join(f"/{part}" for part in loc), rule=rule)


def _uri(code: str) -> str:
    return f"urn:counterfoil:problem:{code}"


def _response(problem: Problem, headers: Mapping[str, str]) -> Response:
    # ASCII only: a text that came from outside cannot end a line or start a tag.
    body = json.dumps(problem.model_dump(exclude_none=True)).encode("ascii")
    return Response(body, problem.status, dict(headers), MEDIA_TYPE)
