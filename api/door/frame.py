"""The frame of the API: middleware in its one right order, and the checks before it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware

from api.door import problems
from api.door.bodies import StrictRoute, is_request_model
from api.door.gate import Gate
from api.door.headers import Origins
from api.door.middleware import Envelope, Metrics
from api.door.openapi import described
from api.door.turnstile import Turnstile
from api.identity.scopes import Door, Matrix, UnguardedRoute
from api.identity.security import Needed
from api.records.access import AccessRecords

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fastapi.dependencies.models import Dependant

    from api.identity.scopes import Row
    from api.identity.security import Verifier
    from api.records.access import Sink


class Api(FastAPI):
    """A FastAPI whose OpenAPI tells of problems and scopes too."""

    def __init__(self, matrix: Matrix, **settings: Any) -> None:
        self.matrix = matrix
        super().__init__(**settings)

    def openapi(self) -> dict[str, Any]:
        """Describe every route in full."""
        return described(super().openapi(), self.matrix)


def framed(
    *,
    verifier: Verifier,
    sink: Sink,
    matrix: Matrix,
    metrics: Metrics | None = None,
    turnstile: Turnstile | None = None,
    origins: Collection[str] = (),
    **settings: Any,
) -> Api:
    """Build an app without routes: add `StrictRouter`s, then call `check_doors`.

    Args:
        verifier: believes tokens.
        sink: writes access records.
        matrix: the rows that exist; anything else is a 404.
        metrics: where calls are counted.
        turnstile: counts who comes in.
        origins: whose browsers may call; nobody's by default.
        settings: title, version, lifespan and the like, for FastAPI.
    """
    app = Api(
        matrix,
        # Documents are committed files: a running book tells nothing about itself.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # Its logs hold messages of exceptions, and those hold what people sent.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        middleware=[
            Middleware(Envelope, metrics=metrics or Metrics()),
            Middleware(Origins, matrix=matrix, origins=origins),
            Middleware(AccessRecords, sink=sink),
            Middleware(Gate, matrix=matrix, verifier=verifier, turnstile=turnstile or Turnstile()),
        ],
        **settings,
    )
    app.router.route_class = StrictRoute
    problems.install(app)
    return app


def check_doors(app: Api) -> None:
    """Refuse to start an app with a door that is not as the matrix says.

    Raises:
        UnguardedRoute: a route without a row or a row without a route; a body that is not strict;
            a bearer route that does not name its row's scope; a write without Idempotency-Key.
    """
    app.matrix.check_every_route_has_a_row(app)
    rows = {(row.method, row.path): row for row in app.matrix.rows}
    for context in iter_route_contexts(app.routes):
        for method in context.methods or ():
            row = rows[method, str(context.path_format)]
            for fault in _faults(context, row):
                raise UnguardedRoute(f"{row.method} {row.path}: {fault}")


def _faults(context: Any, row: Row) -> Iterator[str]:
    route, dependant = context.original_route, context.dependant
    if not isinstance(route, StrictRoute):
        yield "its router is no StrictRouter"
    bodies = [field.field_info.annotation for d in _all(dependant) for field in d.body_params]
    if len(bodies) > 1 or not all(map(is_request_model, bodies)):
        yield "its body is no single RequestModel"
    needed = {d.call.scope_name for d in _all(dependant) if isinstance(d.call, Needed)}
    if needed != ({row.scope} - {""}):
        yield f"it names {sorted(needed)}, the matrix says {row.scope!r}"
    headers = {field.alias for d in _all(dependant) for field in d.header_params}
    if row.door is Door.BEARER and row.method != "GET" and "Idempotency-Key" not in headers:
        yield "a write without Idempotency-Key"


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _all(inner)
