"""Whether the house is alive, whether it can serve, and what it counts."""

from __future__ import annotations

import logging
from typing import Annotated, Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from adapters.secrets.keeper import Health
from api.door.bodies import StrictRouter
from api.door.problems import ApiProblem
from api.door.views import View
from api.house.front import WATCH_S, AtFront, Front
from api.identity.caller import Caller
from api.identity.security import Needs
from projections.waiting import lag

ROUTER: Final = StrictRouter(tags=["operation"])
LOG: Final = logging.getLogger("counterfoil.ready")
LAG_EVENTS_MAX: Final = 50_000
"""Read models that are further behind than this serve nobody."""
EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


class Alive(View):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(View):
    """The house can serve."""

    status: Literal["ready"] = "ready"
    degraded: bool = False
    """Something that nobody waits for stands still: `/metrics` and our log tell what."""


@ROUTER.get("/healthz")
async def healthz() -> Alive:
    """Say that the process answers. Nothing is looked at."""
    return Alive()


@ROUTER.get("/readyz")
def readyz(front: AtFront) -> Ready:
    """Say that the books can be read and written. Which check failed is in our log only."""
    for name, check in CHECKS.items():
        try:
            held = check(front)
        except Exception:
            LOG.exception("not ready: %s", name)
            held = False
        if not held:
            LOG.warning("not ready: %s", name)
            raise ApiProblem("not_ready")
    aged = front.house.secrets.health() is not Health.FRESH
    return Ready(degraded=aged or bool(front.house.upkeep.failing))


@ROUTER.get("/metrics", response_class=Response)
def metrics(
    request: Request,  # noqa: ARG001 - as every route has it
    caller: Annotated[Caller, Needs("metrics:read")],  # noqa: ARG001 - only the door asks for it
    front: AtFront,
) -> Response:
    """Tell everything that is counted, as Prometheus reads it."""
    return Response(front.metrics.exposition(), media_type=EXPOSITION)


def _book(front: Front) -> bool:
    return front.house.book.head() > 0 and not front.house.book.ailing


def _models(front: Front) -> bool:
    with front.reads.log(timeout_s=WATCH_S) as connection:
        return lag(connection).behind <= LAG_EVENTS_MAX


def _access(front: Front) -> bool:
    return front.house.access.head() > 0 and not front.house.access.ailing


def _evidence(front: Front) -> bool:
    return front.house.upkeep.sound


def _secrets(front: Front) -> bool:
    return front.house.secrets.health() in {Health.FRESH, Health.DEGRADED}


# First the one that is told within a second that the database is away.
CHECKS: Final = {
    "read models": _models,
    "book": _book,
    "access log": _access,
    "evidence": _evidence,
    "secrets": _secrets,
}
