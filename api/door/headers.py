"""Headers of every answer, and what a browser of another origin may do: nothing, unless named.

A preflight is answered for doors of the matrix that take a token, and for origins that the
settings name. Tokens travel in a header, so no cookie is ever allowed along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from api.identity.scopes import Door

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.identity.scopes import Matrix

SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Authorization, Origin",
}
"""On every answer that does not bring its own."""
TLS_ONLY: Final = {"Strict-Transport-Security": "max-age=63072000"}
"""On every answer that we give over TLS: two years, for this host."""

PREFLIGHT_S: Final = 600
"""How long a browser may remember what a preflight said."""
_MAY_SEND: Final = "Authorization, Content-Type, Idempotency-Key, X-Request-Id"
_MAY_READ: Final = "X-Request-Id, Retry-After"
_ORIGIN: Final = b"origin"
_PREFLIGHT: Final = b"access-control-request-method"


class Origins:
    """Pure ASGI: lets browsers of the named origins call, and answers what they ask beforehand."""

    def __init__(self, app: ASGIApp, *, matrix: Matrix, origins: Collection[str]) -> None:
        self._app = app
        self._matrix = matrix
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        origin = self._named(scope) if scope["type"] == "http" else None
        if origin is None:
            await self._app(scope, receive, send)
            return
        if methods := self._asked_beforehand(scope):
            allowed = {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Methods": ", ".join(methods),
                "Access-Control-Allow-Headers": _MAY_SEND,
                "Access-Control-Max-Age": str(PREFLIGHT_S),
            }
            await Response(status_code=204, headers=allowed)(scope, receive, send)
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = _MAY_READ
                message["headers"] = headers.raw
            await send(message)

        await self._app(scope, receive, opened)

    def _named(self, scope: Scope) -> str | None:
        given = [value for name, value in scope["headers"] if name == _ORIGIN]
        if len(given) == 1 and given[0] in self._origins:
            return str(given[0], "ascii")
        return None

    def _asked_beforehand(self, scope: Scope) -> list[str]:
        """List the methods that a preflight may hear of; none where it is no preflight of ours."""
        if scope["method"] != "OPTIONS":
            return []
        asked = [value for name, value in scope["headers"] if name == _PREFLIGHT]
        doors = sorted(
            row.method
            for row in self._matrix.rows
            if row.door is Door.BEARER and row.pattern.fullmatch(scope["path"])
        )
        return doors if len(asked) == 1 and asked[0].decode("latin-1") in doors else []
