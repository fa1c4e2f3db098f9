"""The one place that wires: settings in, a house with its book, workers and doors out."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

from adapters.database.acting import refuse_wide_logins
from adapters.database.roles import Database, open_database
from adapters.psp.stripe.client import StripeApi
from adapters.psp.stripe.provider import Stripe
from adapters.psp.stripe.translate import Translator
from adapters.psp.stripe.webhook import Webhook
from adapters.rates.broker import BrokerRates
from adapters.rates.broker import Desk as RateDesk
from adapters.rates.ecb import EcbRates
from adapters.rates.market import OpenHours
from adapters.rates.sandbox import TABLE, SandboxRates
from adapters.sealing import AesSealer
from api.door.cursors import Cursors
from api.house import vocabulary
from api.house.checkpointer import checkpointing
from api.house.secret_sources import (
    api_key,
    database_url,
    keeping,
    master_key,
    webhook_secrets,
    with_logins,
)
from api.house.settings import MerchantSettings, Settings, SettingsRefused
from api.house.tenancy import living_in
from api.house.upkeep import Part, Upkeep
from api.house.worker import Worker
from api.records.access_log import AccessLog
from api.records.outgoing import Calls
from compliance.kyc import KycStatus, kyc, kyc_gate
from ledger.book import Book
from ledger.facts import RatePublished
from ledger.finding import ClientCode, Finding
from ledger.ids import EntityId
from payments.rates import Band, Crossing, RateSource, Waterfall
from payments.reactors.desk import Desk, Patience
from projections.access import IndexRunner
from projections.runner import Runner

if TYPE_CHECKING:
    from adapters.outgoing import Outgoing
    from adapters.secrets.keeper import Keeper
    from ledger.decision import Decision
    from ledger.finding import Gate
    from ledger.ids import ClientId

LOG: Final = logging.getLogger("counterfoil.house")
Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Our time."""
    return datetime.now(UTC)


def withdrawal_gates(settings: Settings) -> tuple[Gate, ...]:
    """The rules that every withdrawal must pass, in the order in which they are told."""
    return (kyc_gate(settings.kyc_level),)


def credit_gates() -> tuple[Gate, ...]:
    """The rules for crediting money that came back from a payout."""
    return (not_barred,)


def not_barred(decision: Decision, client: ClientId) -> Finding:
    """Returned money reaches the wallet unless the client's verification was taken away."""
    status = decision.get(kyc(client)).status
    if status in {KycStatus.REVOKED, KycStatus.REJECTED_FINAL}:
        return Finding.held("credit", f"kyc {status}", ClientCode.UNDER_REVIEW)
    return Finding.passed("credit", f"kyc {status}")


@dataclass(slots=True)
class House:
    """A running house. `api.app` opens its doors."""

    settings: Settings
    database: Database
    book: Book
    access: Book
    access_log: AccessLog
    access_index: IndexRunner
    desk: Desk
    broker: BrokerRates
    runner: Runner
    worker: Worker
    cursors: Cursors
    clock: Clock
    secrets: Keeper
    upkeep: Upkeep = field(default_factory=Upkeep)


@contextlib.contextmanager
def open_house(
    settings: Settings,
    *,
    environ: Mapping[str, str] = os.environ,
    clock: Clock = wall_clock,
    durable: bool = True,
) -> Iterator[House]:
    """Open the database, the book and its log of access, and wire what serves them.

    Nothing runs yet: `working` starts the projections and the worker.

    Raises:
        SettingsRefused: another house lives in this home.
    """
    with (
        living_in(settings.home),
        keeping(settings, environ) as secrets,
        open_database(
            url=database_url(settings, secrets),
            data_dir=settings.home / "postgres",
            durable=durable,
            environ=environ,
        ) as database,
    ):
        yield from _wired(settings, database, secrets, clock)


@contextlib.contextmanager
def wire(
    settings: Settings,
    database: Database,
    *,
    environ: Mapping[str, str] = os.environ,
    clock: Clock = wall_clock,
) -> Iterator[House]:
    """Wire a house on a database that is open already."""
    with keeping(settings, environ) as secrets:
        yield from _wired(settings, database, secrets, clock)


def _wired(
    settings: Settings, database: Database, secrets: Keeper, clock: Clock
) -> Iterator[House]:
    database = with_logins(database, settings, secrets)
    refuse_wide_logins(database, shared=settings.shared_database_login)
    entity, writer = EntityId(settings.entity), partial(database.dsn, "book_writer")
    master = master_key(settings, secrets)
    with contextlib.ExitStack() as open_:
        book = Book.open(writer, entity, vocabulary.BOOK, clock=clock)
        open_.callback(book.close)
        keeper = partial(database.dsn, "access_writer")
        access = Book.open(keeper, entity, vocabulary.ACCESS, clock=clock, log="access")
        open_.callback(access.close)
        access_log = AccessLog(access)
        providers = _providers(settings, secrets, Calls(access_log, wall_clock))
        for provider in providers.values():
            open_.callback(provider.close)
        broker, rates = rate_source(settings, book)
        desk = Desk(
            book=book,
            providers=providers,
            banks={m.name: m.bank for m in settings.merchants},
            rates=rates,
            gates=withdrawal_gates(settings),
            credit_gates=credit_gates(),
            four_eyes_above=settings.four_eyes_above,
            sealer=AesSealer(master),
            clock=clock,
            patience=_patience(settings),
        )
        yield House(
            settings=settings,
            database=database,
            book=book,
            access=access,
            access_log=access_log,
            access_index=IndexRunner(partial(database.dsn, "projector"), vocabulary.ACCESS),
            desk=desk,
            broker=broker,
            runner=Runner(partial(database.dsn, "projector"), vocabulary.BOOK),
            worker=Worker(desk, book, tell=AccessLog(access, by="service:worker").write_now),
            cursors=Cursors(_derived(master, "cursors")),
            clock=clock,
            secrets=secrets,
        )


@contextlib.contextmanager
def working(house: House, *, after_restore: bool = False) -> Iterator[None]:
    """Run the projections, the worker and the checkpoints while the house is open.

    Raises:
        LogDiffers: a log is not the one of its checkpoints, and nobody said it was restored.
    """
    stop = threading.Event()
    runner = threading.Thread(target=_project, args=(house, stop), name="projections")
    indexer = threading.Thread(target=house.access_index.follow, args=(stop,), name="access-index")
    reader = partial(house.database.dsn, "audit_reader")
    with checkpointing(
        house.settings, reader, house.upkeep, house.secrets, after_restore=after_restore
    ):
        runner.start()
        indexer.start()
        house.worker.start()
        try:
            yield
        finally:
            house.worker.stop()
            stop.set()
            runner.join()
            indexer.join()


def _project(house: House, stop: threading.Event) -> None:
    try:
        house.runner.run(stop)
    except Exception:
        # The read models stay where they are; readiness sees how far behind they fall.
        house.upkeep.fails(Part.PROJECTIONS)
        LOG.exception("the projections stopped")


def rate_source(settings: Settings, book: Book) -> tuple[BrokerRates, RateSource]:
    """Build the rates: the broker's own prices first, and in the sandbox the ECB and a table."""
    width = settings.rate_band_bps
    # For comparison only: an old reference still tells a fat finger from a price.
    reference = EcbRates(max_age=timedelta(days=366))
    pricing = RateDesk(
        markup_other_bps=settings.markup_bps,
        markup_bps=settings.pair_markup_bps,
        max_age_s=settings.rate_max_age_s,
        band=None if width is None else Band(reference.reference, width, alone=frozenset(TABLE)),
    )
    broker = BrokerRates(pricing)
    for fact in _published(book):
        broker.publish(fact.quote)
    if settings.rates == "broker":
        return broker, Crossing(broker, "USD")
    ecb = EcbRates(dealing=True, half_spread_bps=Decimal(2))
    return broker, Crossing(Waterfall((broker, OpenHours(ecb), OpenHours(SandboxRates()))), "USD")


def _published(book: Book) -> Iterator[RatePublished]:
    position = 0
    while events := book.events_after(position, 10_000):
        for event in events:
            if isinstance(event.fact, RatePublished):
                yield event.fact
        position = events[-1].position


def _providers(
    settings: Settings, secrets: Keeper, outgoing: Outgoing
) -> dict[tuple[str, str], Stripe]:
    return {
        (merchant.provider, merchant.name): _stripe(merchant, secrets, outgoing)
        for merchant in settings.merchants
    }


def _stripe(merchant: MerchantSettings, secrets: Keeper, outgoing: Outgoing) -> Stripe:
    if merchant.provider != "stripe":
        raise SettingsRefused(f"no adapter for {merchant.provider}")
    api = StripeApi(
        api_key(secrets, merchant.api_key_at),
        outgoing=outgoing,
        account=merchant.name,
        address=merchant.address,
        timeout_s=merchant.timeout_s,
    )
    active = webhook_secrets(secrets, merchant.webhook_secrets_at)
    webhook = Webhook(Translator(merchant.name, merchant.live), active)
    return Stripe(api, webhook, merchant.financial_account)


def _patience(settings: Settings) -> Patience:
    said = settings.patience
    return Patience(
        request_life=timedelta(seconds=said.request_life_s),
        unheard=timedelta(seconds=said.unheard_s),
        events=timedelta(seconds=said.events_s),
        again=timedelta(seconds=said.again_s),
    )


def _derived(master: bytes, purpose: str) -> bytes:
    return hashlib.sha256(purpose.encode() + b"\x00" + master).digest()
