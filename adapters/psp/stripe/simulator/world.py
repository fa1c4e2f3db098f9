"""What the simulated Stripe knows: its objects, its books with us, and its events."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from adapters.psp.stripe.simulator.errors import missing
from adapters.psp.stripe.units import decimals, grain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Obj: TypeAlias = dict[str, Any]

API_VERSION: Final = "2026-10-28.endive"
ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode
_PREFIXES: Final = {
    "pi": "payment_intent",
    "ch": "charge",
    "re": "refund",
    "dp": "dispute",
    "txn": "balance_transaction",
    "po": "payout",
    "issfr": "early_fraud_warning",
    "obp": "outbound_payment",
    "rvn": "recipient_verification",
    "acct": "account",
    "evt": "event",
}


def one_to_one(_source: str, _target: str) -> Decimal:
    """Convert nothing: the rate of a simulation that settles every currency as itself."""
    return Decimal(1)


@dataclass(frozen=True, slots=True)
class Terms:
    """What our merchant account costs, and how it settles.

    Attributes:
        fee_bps: share of each charge.
        fee_fixed: minor units of the settlement currency per charge.
        dispute_fee: minor units of the settlement currency per dispute.
        dispute_fee_returned: whether a dispute that is won gives its fee back.
        settles: payment currency → settlement currency, lower case; itself where not named.
        rate: the provider's rate in major units, from payment to settlement currency.
        available_after: how long a line waits before it can be settled.
        refunds_wait: whether refunds start as `pending` and not as `succeeded`.
        verification_needed: whether an outbound payment needs a verified recipient.
    """

    fee_bps: int = 150
    fee_fixed: int = 25
    dispute_fee: int = 1500
    dispute_fee_returned: bool = False
    settles: Mapping[str, str] = field(default_factory=dict)
    rate: Callable[[str, str], Decimal] = one_to_one
    available_after: timedelta = timedelta(days=2)
    refunds_wait: bool = False
    verification_needed: bool = True


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event as it is listed and sent: always these bytes."""

    id: str
    type: str
    created: datetime
    related: str
    body: bytes


class World:
    """All state, behind one lock. Ids and order follow from the seed and the calls alone."""

    def __init__(self, seed: int, clock: Callable[[], datetime], terms: Terms) -> None:
        """Begin with no objects and a well-filled financial account."""
        self.seed = seed
        self.clock = clock
        self.terms = terms
        self.lock = threading.RLock()
        self.objects: defaultdict[str, dict[str, Obj]] = defaultdict(dict)
        self.events: list[Emitted] = []
        self.thin: list[Emitted] = []
        self.places: dict[str, int] = {}
        self.settled_by: dict[str, str] = {}
        self.financial: defaultdict[str, int] = defaultdict(lambda: 10**15)
        self.matches: dict[str, str] = {}
        self.on_event: Callable[[Emitted], None] = _nobody
        self._counts: Counter[str] = Counter()
        self._later: list[tuple[datetime, int, Callable[[], None]]] = []

    def now(self) -> int:
        """Seconds since 1970."""
        return int(self.clock().timestamp())

    def new_id(self, prefix: str) -> str:
        """Name a new object: the n-th of its kind has the same name in every run of the seed."""
        self._counts[prefix] += 1
        tail = hashlib.sha256(f"{self.seed}/{prefix}/{self._counts[prefix]}".encode()).hexdigest()
        return f"{prefix}_{tail[:24]}"

    def token(self, *parts: str) -> str:
        """Make up a constant text, e.g. a card's fingerprint, out of the seed and some words."""
        return hashlib.sha256("/".join((str(self.seed), *parts)).encode()).hexdigest()[:16]

    def keep(self, obj: Obj) -> Obj:
        """Store a new object under its id."""
        self.objects[_kind(obj["id"])][obj["id"]] = obj
        return obj

    def get(self, kind: str, reference: object) -> Obj:
        """Find an object, or answer as Stripe does where there is none."""
        found = self.objects[kind].get(str(reference))
        if found is None:
            raise missing(kind, str(reference))
        return found

    def find(self, reference: str) -> Obj | None:
        """Find an object by the prefix of its id."""
        return self.objects[_kind(reference)].get(reference)

    def all(self, kind: str) -> list[Obj]:
        """Every object of a kind, oldest first."""
        return list(self.objects[kind].values())

    def book(
        self, kind: str, category: str, amount: int, currency: str, *, source: str, fee: int = 0
    ) -> Obj:
        """Write a balance transaction: convert `amount` (payment currency) into what we settle in.

        `fee` is in the settlement currency already.
        """
        settled, target, rate = self.settle_amount(amount, currency)
        now = self.now()
        return self.keep(
            {
                "id": self.new_id("txn"),
                "object": "balance_transaction",
                "amount": settled,
                "available_on": now + int(self.terms.available_after.total_seconds()),
                "balance_type": "payments",
                "created": now,
                "currency": target,
                "description": None,
                "exchange_rate": rate,
                "fee": fee,
                "fee_details": _fee_details(fee, target),
                "net": settled - fee,
                "reporting_category": category,
                "source": source,
                "status": "pending",
                "type": kind,
            }
        )

    def settle_amount(self, amount: int, currency: str) -> tuple[int, str, Decimal | None]:
        """Convert a payment amount as the merchant account settles it, ties away from zero."""
        target = self.terms.settles.get(currency, currency)
        if target == currency:
            return amount, currency, None
        rate = self.terms.rate(currency, target)
        scale = Decimal(10) ** (decimals(target.upper()) - decimals(currency.upper()))
        unit = grain(target.upper())
        settled = (amount * rate * scale / unit).to_integral_value(ROUND_HALF_UP)
        return int(settled) * unit, target, rate

    def emit(self, name: str, obj: Obj) -> None:
        """Record a v1 event with the object as it stands this moment."""
        reference, now = self.new_id("evt"), self.clock()
        body = {
            "id": reference,
            "object": "event",
            "api_version": API_VERSION,
            "created": int(now.timestamp()),
            "data": {"object": obj},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": name,
        }
        self.places[reference] = len(self.events)
        self._record(self.events, Emitted(reference, name, now, obj["id"], ENCODE(body)))

    def emit_thin(self, name: str, obj: Obj, url: str) -> None:
        """Record a v2 event: it names the object and shows nothing of it."""
        reference, now = self.new_id("evt"), self.clock()
        body = {
            "id": reference,
            "object": "v2.core.event",
            "context": None,
            "created": rfc3339(now),
            "livemode": False,
            "reason": None,
            "related_object": {"id": obj["id"], "type": obj["object"], "url": url},
            "type": name,
        }
        self._record(self.thin, Emitted(reference, name, now, obj["id"], ENCODE(body)))

    def later(self, after: timedelta, act: Callable[[], None]) -> None:
        """Plan something for a later time of the clock."""
        self._counts["plan"] += 1
        self._later.append((self.clock() + after, self._counts["plan"], act))

    def run_due(self) -> None:
        """Do what was planned for a time that has come."""
        with self.lock:
            now = self.clock()
            due = [plan for plan in self._later if plan[0] <= now]
            self._later = [plan for plan in self._later if plan[0] > now]
            for _, _, act in sorted(due, key=lambda plan: plan[:2]):
                act()

    def _record(self, log: list[Emitted], event: Emitted) -> None:
        log.append(event)
        self.on_event(event)


def rfc3339(time: datetime) -> str:
    """Write a time as v2 does."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _kind(reference: str) -> str:
    return _PREFIXES.get(reference.partition("_")[0], "nothing")


def _fee_details(fee: int, currency: str) -> list[Obj]:
    if not fee:
        return []
    return [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]


def _nobody(_event: Emitted) -> None:
    """Nobody listens yet."""
