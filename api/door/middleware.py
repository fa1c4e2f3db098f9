"""The outermost middleware: request id, safe headers, metrics, the access line, the last catch."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.datastructures import MutableHeaders

from api.door.context import open_call
from api.door.headers import SAFE_HEADERS, TLS_ONLY
from api.door.problems import problem_response
from api.house.logs import bound
from api.house.traces import claimed, span
from api.identity.scopes import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.door.context import Call

LOG: Final = logging.getLogger("counterfoil.http")

# A UUID or the id of a trace, and nothing freer: it is logged, and callers paste what they have.
_CLEAN_ID: Final = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters of the API, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._requests = Counter(
            "counterfoil_http_requests",
            "Calls by route template and status",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "counterfoil_http_request_seconds",
            "Time to the end of the answer by route template",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def observe(self, call: Call, status: int, seconds: float) -> None:
        """Count one call. Labels come from the matrix: a stranger cannot make new ones."""
        method = call.row.method if call.row else "other"
        self._requests.labels(method, call.template, str(status)).inc()
        self._seconds.labels(call.template).observe(seconds)

    def exposition(self) -> bytes:
        """Write everything in the registry as Prometheus reads it."""
        return generate_latest(self.registry)


class Envelope:
    """Pure ASGI: opens the call and closes it, whatever happens inside."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        new_id: Callable[[], str] = lambda: uuid4().hex,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._new_id = new_id
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = open_call(scope, _request_id(scope) or self._new_id())
        claims = partial(_claimed, scope, call)
        with bound(request_id=call.request_id), span("door", claims=claims) as facts:
            await self._serve(call, scope, receive, send)
            facts.update(route=call.template, method=call.row.method if call.row else "other")

    async def _serve(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        begun = self._clock()
        status = 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(message, call, secure=scope.get("scheme") == "https")
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except Exception as exc:
            LOG.exception("a call failed", extra={"request_id": call.request_id})
            if status:
                # Half an answer is out: only the server can cut it off.
                raise
            await problem_response(scope, exc)(scope, receive, dressed)
        finally:
            self._close(call, status, self._clock() - begun)

    def _close(self, call: Call, status: int, seconds: float) -> None:
        self._metrics.observe(call, status, seconds)
        LOG.info(
            "call",
            extra={
                "request_id": call.request_id,
                "method": call.row.method if call.row else "other",
                "route": call.template,
                "status": status,
                "milliseconds": round(seconds * 1000, 3),
                "subject": call.caller.subject if call.caller else "",
                "reason": call.reason,
            },
        )


def _request_id(scope: Scope) -> str:
    """Take the caller's id where it is one clean token, else none."""
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and _CLEAN_ID.fullmatch(given[0]):
        return str(given[0], "ascii")
    return ""


def _claimed(scope: Scope, call: Call) -> tuple[str, str] | None:
    """Take up the trace of a caller whose token was believed, unless it is a client's."""
    if call.caller is None or call.caller.role is Role.CLIENT:
        return None
    told = [value for name, value in scope["headers"] if name == b"traceparent"]
    return claimed(told[0]) if len(told) == 1 else None


def _dress(message: Message, call: Call, *, secure: bool) -> None:
    headers = MutableHeaders(raw=list(message["headers"]))
    headers["X-Request-Id"] = call.request_id
    for name, value in (SAFE_HEADERS | TLS_ONLY if secure else SAFE_HEADERS).items():
        headers.setdefault(name, value)
    message["headers"] = headers.raw
