"""What is measured when somebody asks: lag, outstanding work, and money nobody has explained."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import psycopg
from prometheus_client.core import GaugeMetricFamily

from api.front import WATCH_S
from ledger.money import Money
from projections.balances import balances
from projections.pages import LIMIT_MAX
from projections.waiting import lag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.front import Front

LOG: Final = logging.getLogger("counterfoil.metrics")
CLEARING: Final = "psp:clearing"
_WORK: Final = (
    *("notices", "payments", "announced", "unconverted", "held", "cleared"),
    *("payouts", "sent", "returned", "rejudge"),
)


class Gauges:
    """A collector of the registry; it reads what it shows at the moment it is asked."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Say nothing beforehand: nothing is read before somebody asks."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read everything; without the database, what this process knows by itself."""
        yield self._waiting()
        yield from self._work()
        try:
            yield self._lag()
            yield self._clearing()
        except psycopg.Error as error:
            LOG.warning("the database cannot be measured: %s", type(error).__name__)

    def _waiting(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "counterfoil_book_queue", "Commands that wait for the book at our doors"
        )
        family.add_metric([], self._front.waiting)
        return family

    def _lag(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "counterfoil_projection_lag_events", "Events that the read models have not folded yet"
        )
        with self._front.reads.log(timeout_s=WATCH_S) as connection:
            family.add_metric([], lag(connection).behind)
        return family

    def _work(self) -> Iterator[GaugeMetricFamily]:
        outstanding = self._front.house.worker.outstanding
        family = GaugeMetricFamily(
            "counterfoil_outstanding", "Work that is begun and not finished", labels=["kind"]
        )
        for kind in _WORK:
            family.add_metric([kind], len(getattr(outstanding, kind)))
        yield family
        parked = GaugeMetricFamily(
            "counterfoil_notices_parked", "Notices that wait for a payment we do not know"
        )
        parked.add_metric([], outstanding.parked)
        yield parked

    def _clearing(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "counterfoil_clearing_unexplained",
            "What stands in a provider's clearing account, in major units",
            labels=["account", "currency"],
        )
        with self._front.reads.models(timeout_s=WATCH_S) as connection:
            page = balances(connection, kind=CLEARING, limit=LIMIT_MAX)
        for row in page.rows:
            # A gauge is a float by its format: for watching, never for booking.
            shown = float(Money(row.minor, row.currency).text())
            family.add_metric([row.account, row.currency], shown)
        return family
