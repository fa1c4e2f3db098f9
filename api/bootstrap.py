"""The one place that wires: settings in, a house with its book, workers and doors out."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

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
from api import vocabulary
from api.access_log import AccessLog
from api.checkpointer import checkpointing
from api.cursors import Cursors
from api.settings import MerchantSettings, Settings, SettingsRefused
from api.worker import Worker
from compliance.kyc import KycStatus, kyc, kyc_gate
from ledger.book import Book
from ledger.facts import RatePublished
from ledger.finding import ClientCode, Finding
from ledger.ids import EntityId
from payments.rates import Band, Crossing, RateSource, Waterfall
from payments.reactors.desk import Desk, Patience
from projections.runner import Runner

if TYPE_CHECKING:
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
    desk: Desk
    broker: BrokerRates
    runner: Runner
    worker: Worker
    cursors: Cursors
    clock: Clock


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
    """
    with open_database(
        url=settings.database_url,
        data_dir=settings.home / "postgres",
        durable=durable,
        environ=environ,
    ) as database:
        yield from _wired(settings, database, environ, clock)


@contextlib.contextmanager
def wire(
    settings: Settings,
    database: Database,
    *,
    environ: Mapping[str, str] = os.environ,
    clock: Clock = wall_clock,
) -> Iterator[House]:
    """Wire a house on a database that is open already."""
    yield from _wired(settings, database, environ, clock)


def _wired(
    settings: Settings, database: Database, environ: Mapping[str, str], clock: Clock
) -> Iterator[House]:
    entity, writer = EntityId(settings.entity), database.dsn("book_writer")
    with contextlib.ExitStack() as open_:
        book = Book.open(writer, entity, vocabulary.BOOK, clock=clock)
        open_.callback(book.close)
        access = Book.open(writer, entity, vocabulary.ACCESS, clock=clock, log="access")
        open_.callback(access.close)
        providers = _providers(settings, environ)
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
            sealer=_sealer(settings, environ),
            clock=clock,
            patience=_patience(settings),
        )
        yield House(
            settings=settings,
            database=database,
            book=book,
            access=access,
            access_log=AccessLog(access),
            desk=desk,
            broker=broker,
            runner=Runner(database.dsn("projector"), vocabulary.BOOK),
            worker=Worker(desk, book),
            cursors=Cursors(_derived(settings, environ, "cursors")),
            clock=clock,
        )


@contextlib.contextmanager
def working(house: House, *, after_restore: bool = False) -> Iterator[None]:
    """Run the projections, the worker and the checkpoints while the house is open.

    Raises:
        LogDiffers: a log is not the one of its checkpoints, and nobody said it was restored.
    """
    stop = threading.Event()
    runner = threading.Thread(target=_project, args=(house.runner, stop), name="projections")
    reader = house.database.dsn("audit_reader")
    with checkpointing(house.settings, reader, after_restore=after_restore):
        runner.start()
        house.worker.start()
        try:
            yield
        finally:
            house.worker.stop()
            stop.set()
            runner.join()


def _project(runner: Runner, stop: threading.Event) -> None:
    try:
        runner.run(stop)
    except Exception:
        # The read models stay where they are; readiness sees how far behind they fall.
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


def _providers(settings: Settings, environ: Mapping[str, str]) -> dict[tuple[str, str], Stripe]:
    return {
        (merchant.provider, merchant.name): _stripe(merchant, environ)
        for merchant in settings.merchants
    }


def _stripe(merchant: MerchantSettings, environ: Mapping[str, str]) -> Stripe:
    if merchant.provider != "stripe":
        raise SettingsRefused(f"no adapter for {merchant.provider}")
    api = StripeApi(
        merchant.secret(environ, "API_KEY"),
        address=merchant.address,
        timeout_s=merchant.timeout_s,
    )
    secrets = tuple(merchant.secret(environ, "WEBHOOK_SECRETS").split(","))
    webhook = Webhook(Translator(merchant.name, merchant.live), secrets)
    return Stripe(api, webhook, merchant.financial_account)


def _patience(settings: Settings) -> Patience:
    said = settings.patience
    return Patience(
        request_life=timedelta(seconds=said.request_life_s),
        unheard=timedelta(seconds=said.unheard_s),
        events=timedelta(seconds=said.events_s),
        again=timedelta(seconds=said.again_s),
    )


def _sealer(settings: Settings, environ: Mapping[str, str]) -> AesSealer:
    return AesSealer(_master(settings, environ))


def _derived(settings: Settings, environ: Mapping[str, str], purpose: str) -> bytes:
    return hashlib.sha256(purpose.encode() + b"\x00" + _master(settings, environ)).digest()


def _master(settings: Settings, environ: Mapping[str, str]) -> bytes:
    given = environ.get("COUNTERFOIL_MASTER_KEY")
    if given is None:
        return AesSealer.key_file(settings.home / "master.key")
    try:
        return bytes.fromhex(given)
    except ValueError:
        raise SettingsRefused("COUNTERFOIL_MASTER_KEY is 64 hexadecimal digits") from None
