"""The script of the day: one stage after the other, then the proofs."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.psp.stripe.simulator.clock import ManualClock
from adapters.secrets.openbao import VaultProgramMissing, find_program
from api.demo import friday, rotation, weekend
from api.demo.broker import Broker
from api.demo.figures import SEED
from api.demo.paper import Paper
from api.demo.proofs import prove
from api.demo.sandbox import (
    BEGINS,
    CURRENCIES,
    ENTITY,
    MERCHANT,
    SMALL,
    WEBHOOK_SECRET,
    Day,
    Size,
    minor,
)
from api.demo.stripe_process import StripeProcess
from api.house.bootstrap import open_house, working
from api.house.sandbox_vault import open_vaulted_house
from api.house.settings import MerchantSettings, PatienceSettings, Settings
from api.identity.devtokens import AUDIENCE, ISSUER, DevIssuer
from api.serve import serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from api.house.bootstrap import Clock, House
    from api.house.sandbox_vault import Moved

STAGES: tuple[Callable[[Day], Awaitable[None]], ...] = (
    friday.clients_come,
    rotation.deposits_arrive,
    friday.withdrawals_are_asked_for,
    friday.verification_clears_what_waits,
    friday.payouts_come_back,
    weekend.deposits_wait_for_a_rate,
    weekend.monday_brings_rates,
    weekend.cardholders_dispute,
    weekend.stripe_settles,
    weekend.lost_messages_are_found,
)


def play(size: Size = SMALL, *, json: bool = False) -> int:
    """Play the day in a sandbox of its own and prove the books; 0 when every proof held."""
    paper = Paper(quiet=json)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="counterfoil-demo-") as home:
        clock = ManualClock(BEGINS)
        issuer = DevIssuer.at_home(Path(home))
        with StripeProcess(SEED, BEGINS) as stripe:
            settings = _settings(Path(home), issuer, stripe.url)
            environ = {
                "COUNTERFOIL_STRIPE_STRIPE_EU_API_KEY": "sk_test_sandbox",
                "COUNTERFOIL_STRIPE_STRIPE_EU_WEBHOOK_SECRETS": WEBHOOK_SECRET,
            }
            with (
                _opened(settings, environ, clock) as (house, moved),
                working(house),
                serving(house, port=0) as url,
            ):
                hook = f"{url}/webhooks/stripe/{MERCHANT}"
                stripe.tell("send_webhooks_to", url=hook, secret=WEBHOOK_SECRET)
                day = Day(house, stripe, Broker(url, issuer, ENTITY), clock, paper, size)
                if moved is not None:
                    day.rotations = rotation.Rotations(day, moved, hook)
                asyncio.run(_play(day))
                paper.stage("The books", clock())
                held = prove(house, paper)
                paper.end(house, day.broker.calls, time.monotonic() - began, held=held)
                return 0 if held else 1


@contextlib.contextmanager
def _opened(
    settings: Settings, environ: dict[str, str], clock: Clock
) -> Iterator[tuple[House, Moved | None]]:
    """Open the house; its secrets come from a vault where OpenBao is installed."""
    try:
        find_program()
    except VaultProgramMissing:
        with open_house(settings, environ=environ, clock=clock) as house:
            yield house, None
        return
    with open_vaulted_house(settings, environ, clock=clock, keys=True) as opened:
        yield opened


def _settings(home: Path, issuer: DevIssuer, stripe_url: str) -> Settings:
    merchant = MerchantSettings(
        name=MERCHANT, bank="eurobank", address=stripe_url, financial_account="fa_sandbox",
        timeout_s=5,
    )  # fmt: skip
    return Settings(
        entity=ENTITY,
        home=home,
        issuer=ISSUER,
        audience=AUDIENCE,
        jwks=issuer.jwks,
        merchants=(merchant,),
        rates="sandbox",
        four_eyes_above={c: minor(Decimal(2_000), c) for c in CURRENCIES},
        patience=PatienceSettings(again_s=1),
    )


async def _play(day: Day) -> None:
    try:
        for stage in STAGES:
            await stage(day)
    finally:
        day.broker.close()
