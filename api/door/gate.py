"""The gate: no call reaches a route before its row is found and its credential believed.

Pure ASGI and outside the router, so that a route can forget nothing: what has no row in the matrix
does not exist, and a body is not read before its sender is known.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from api.door.context import call_of
from api.door.problems import ApiProblem, problem_response
from api.identity.certificates import certificate_of
from api.identity.scopes import Door
from api.identity.security import Disbelief

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.door.context import Call
    from api.door.turnstile import Turnstile
    from api.identity.caller import Caller
    from api.identity.scopes import Matrix, Row
    from api.identity.security import Verifier

HEADERS_BYTES_MAX: Final = 32 * 1024
HEADERS_MAX: Final = 100
QUERY_BYTES_MAX: Final = 2048
QUERY_FIELDS_MAX: Final = 20
POLICY_VIOLATION: Final = 1008

_SINGLE: Final = frozenset(
    {b"authorization", b"content-length", b"content-type", b"idempotency-key", b"host"}
)
_BEARER: Final = re.compile(rb"bearer ([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)
_QUERY: Final = re.compile(rb"[\x21-\x7e]*")
_CLEAN: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Gate:
    """Pure ASGI: finds the row, believes the token, and only then lets the call in."""

    def __init__(
        self, app: ASGIApp, *, matrix: Matrix, verifier: Verifier, turnstile: Turnstile
    ) -> None:
        self._app = app
        self._matrix = matrix
        self._verifier = verifier
        self._turnstile = turnstile

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call, or answer with the problem."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if scope["type"] == "http":
            try:
                await self._admit(scope)
            except ApiProblem as problem:
                shut = self._counted(scope, problem)
                await problem_response(scope, shut)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        call = call_of(scope)
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if (
            len(headers) > HEADERS_MAX
            or sum(len(name) + len(value) for name, value in headers) > HEADERS_BYTES_MAX
        ):
            raise ApiProblem("headers_too_large")
        call.row, call.target = self._row(scope["method"], scope["path"])
        singles = [name for name, _ in headers if name in _SINGLE]
        if len(singles) != len(set(singles)):
            raise ApiProblem("duplicate_header")
        if call.row.door is Door.BEARER:
            call.caller = await self._believe(call, headers, certificate_of(scope))
            self._admit_caller(call, call.caller)
            _check_scope(call.row, call.caller)
        elif call.row.door is Door.OPEN:
            self._turnstile.admit_probe(_address(scope))
        _check_query(scope["query_string"])

    def _admit_caller(self, call: Call, caller: Caller) -> None:
        try:
            self._turnstile.admit(caller)
        except ApiProblem:
            call.reason = f"too many calls of {caller.subject}"
            raise

    def _counted(self, scope: Scope, problem: ApiProblem) -> ApiProblem:
        """Count a refusal of somebody whom we do not know: too many of them are told so."""
        call = call_of(scope)
        # A provider's message is not counted: its signature has not been looked at yet.
        signed = call.row is not None and call.row.door is Door.SIGNATURE
        if call.caller is None and not signed and problem.code != "rate_limited":
            try:
                self._turnstile.admit_stranger(_address(scope))
            except ApiProblem as too_many:
                return too_many
        return problem

    def _row(self, method: str, path: str) -> tuple[Row, str]:
        if found := self._matrix.find(method, path):
            row, names = found
            return row, " ".join(
                f"{name}={value if _CLEAN.fullmatch(value) else '?'}"
                for name, value in names.items()
            )
        if methods := self._matrix.methods(path):
            raise ApiProblem("method_not_allowed", headers={"Allow": ", ".join(methods)})
        raise ApiProblem("not_found")

    async def _believe(
        self, call: Call, headers: list[tuple[bytes, bytes]], certificate: str | None
    ) -> Caller:
        credential = next((value for name, value in headers if name == b"authorization"), None)
        if credential is None:
            raise ApiProblem("token_missing")
        if not (token := _BEARER.fullmatch(credential)):
            call.reason = "no bearer token"
            raise ApiProblem("token_invalid")
        try:
            return await self._verifier.caller(token[1].decode("ascii"), certificate)
        except Disbelief as disbelief:
            call.reason = disbelief.reason
            raise ApiProblem(disbelief.code) from None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _check_scope(row: Row, caller: Caller) -> None:
    if row.scope not in caller.scopes:
        raise ApiProblem("scope_missing")
    if row.person and not caller.is_person:
        raise ApiProblem("person_needed")


def _check_query(query: bytes) -> None:
    if len(query) > QUERY_BYTES_MAX:
        raise ApiProblem("query_too_long")
    if not _QUERY.fullmatch(query):
        raise ApiProblem("bad_query")
    try:
        fields = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except ValueError:
        raise ApiProblem("bad_query") from None
    names = [name for name, _ in fields]
    # The last of two would win, and a reader of logs would see the first.
    if len(names) != len(set(names)) or not all(map(str.isprintable, chain(*fields))):
        raise ApiProblem("bad_query")
