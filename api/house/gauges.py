"""What is measured when somebody asks: lag, outstanding work, and money nobody has explained."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import psycopg
from prometheus_client.core import GaugeMetricFamily

from adapters.secrets.keeper import Health
from api.house.bootstrap import wall_clock
from api.house.front import WATCH_S
from api.house.rotation import Ages
from api.house.upkeep import Part
from ledger.money import Money
from projections.balances import balances
from projections.pages import LIMIT_MAX
from projections.waiting import lag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.house.front import Front

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
        self._ages = Ages(front.house.settings, front.house.secrets)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Say nothing beforehand: nothing is read before somebody asks."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read everything; without the database, what this process knows by itself."""
        yield self._waiting()
        yield from self._work()
        yield self._upkeep()
        yield from self._secrets()
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

    def _upkeep(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "counterfoil_upkeep_failing",
            "1 where work behind the doors stands still",
            labels=["part"],
        )
        failing = set(self._front.house.upkeep.failing)
        if self._front.house.secrets.health() is not Health.FRESH:
            failing.add(Part.SECRETS)
        for part in Part:
            family.add_metric([part.value], part in failing)
        return family

    def _secrets(self) -> Iterator[GaugeMetricFamily]:
        due = GaugeMetricFamily(
            "counterfoil_secret_due_seconds",
            "Until a secret is due for another; below zero it is overdue",
            labels=["secret"],
        )
        unread = GaugeMetricFamily(
            "counterfoil_secret_unread", "1 where a secret cannot be looked at", labels=["secret"]
        )
        now = wall_clock()
        for each in self._ages.all(now):
            unread.add_metric([each.held.name], bool(each.trouble))
            if each.due is not None:
                due.add_metric([each.held.name], (each.due - now).total_seconds())
        yield due
        yield unread

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
