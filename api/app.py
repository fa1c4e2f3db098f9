"""The API as a whole: every door on its frame, and the house behind them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from api.door.frame import Api, check_doors, framed
from api.door.middleware import Metrics
from api.door.turnstile import Turnstile
from api.house.front import Front, Reads
from api.house.gauges import Gauges
from api.house.settings import SettingsRefused
from api.identity.issuer import KeyUrl
from api.identity.jwks import KeyFile
from api.identity.scopes import Matrix
from api.identity.security import TokenRules, Verifier
from api.routes import (
    access,
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
from ledger.ids import EntityId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastapi import FastAPI

    from api.house.bootstrap import House
    from api.house.settings import Settings
    from api.records.access import Sink

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
    *(rates.ROUTER, reviews.ROUTER, access.ROUTER),
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
    metrics = Metrics()
    verifier = Verifier(
        KeyUrl(keys, internal=house.settings.internal_networks)
        if isinstance(keys, str)
        else KeyFile(keys),
        token_rules(house.settings),
    )
    app = built(verifier, house.access_log.write, metrics, house.settings)
    app.state.front = front = Front(house, Reads(house), metrics)
    metrics.registry.register(Gauges(front))
    return app


def token_rules(settings: Settings) -> TokenRules:
    """What a token must say to be believed here."""
    return TokenRules(
        settings.issuer,
        settings.audience,
        frozenset({EntityId(settings.entity)}),
        lifetime_s_max=settings.tokens.lifetime_s_max,
        typed=settings.tokens.typed,
        bound=settings.tokens.bound,
    )


def built(
    verifier: Verifier, sink: Sink, metrics: Metrics, settings: Settings | None = None
) -> Api:
    """Build every door, with no house behind them yet."""
    app = framed(
        verifier=verifier,
        sink=sink,
        matrix=Matrix(),
        metrics=metrics,
        turnstile=Turnstile(settings.calls if settings else None),
        origins=settings.origins if settings else (),
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
