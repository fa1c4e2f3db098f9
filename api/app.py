"""The API as a whole: every door on its frame, and the house behind them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from api.frame import Api, check_doors, framed
from api.front import Front, Reads
from api.gauges import Gauges
from api.jwks import KeyFile
from api.middleware import Metrics
from api.routes import (
    books,
    clients,
    conversions,
    deposits,
    disputes,
    events,
    kyc,
    rates,
    reviews,
    wallets,
    watch,
    webhooks,
    withdrawals,
)
from api.scopes import Matrix
from api.security import TokenRules, Verifier
from api.settings import SettingsRefused
from ledger.ids import EntityId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastapi import FastAPI

    from api.access import Sink
    from api.bootstrap import House

TITLE: Final = "Counterfoil"
VERSION: Final = "1"
SUMMARY: Final = "The ledger and payments core of a broker: one log, double entry, every cent."
ROUTERS: Final = (
    *(
        webhooks.ROUTER,
        clients.ROUTER,
        wallets.ROUTER,
        kyc.ROUTER,
        deposits.ROUTER,
        withdrawals.ROUTER,
    ),
    *(conversions.ROUTER, disputes.ROUTER, books.ROUTER, events.ROUTER),
    *(rates.ROUTER, reviews.ROUTER),
    watch.ROUTER,
)


def opened(house: House, *, jwks: Path | None = None) -> Api:
    """Open the doors of a house: an app to serve. Its readers connect when serving begins.

    Args:
        house: open, and `working` where its projections and worker run in this process.
        jwks: the keys of the token issuer, where the settings name none.

    Raises:
        SettingsRefused: nobody says whose tokens are believed.
    """
    keys = jwks or house.settings.jwks
    if keys is None:
        raise SettingsRefused("name the token issuer's keys: `jwks` is not set")
    settings = house.settings
    rules = TokenRules(settings.issuer, settings.audience, frozenset({EntityId(settings.entity)}))
    metrics = Metrics()
    app = built(Verifier(KeyFile(keys), rules), house.access_log.write, metrics)
    app.state.front = front = Front(house, Reads(house), metrics)
    metrics.registry.register(Gauges(front))
    return app


def built(verifier: Verifier, sink: Sink, metrics: Metrics) -> Api:
    """Build every door, with no house behind them yet."""
    app = framed(
        verifier=verifier,
        sink=sink,
        matrix=Matrix(),
        metrics=metrics,
        title=TITLE,
        version=VERSION,
        summary=SUMMARY,
        lifespan=_lifespan,
    )
    for router in ROUTERS:
        app.include_router(router)
    check_doors(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    reads: Reads = app.state.front.reads
    reads.open()
    try:
        yield
    finally:
        reads.close()
