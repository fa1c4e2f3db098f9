"""kill -9 of the whole house and its database under load: every answer stands, and stands once."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from adapters.psp.stripe.simulator import StripeSimulator
from adapters.psp.stripe.simulator.deliveries import wall_clock
from tests.faults.house import MERCHANT, WEBHOOK_SECRET, HouseProcess
from tests.faults.people import CURRENCIES, People

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

    from tests.faults.people import Told

pytestmark = pytest.mark.fault

SEED = 20_261_124
KILLS = int(os.environ.get("COUNTERFOIL_DRILL_KILLS", "2"))
"""Three or more for the long drill."""
ACKS_BETWEEN = (40, 80)
CALM_S_MAX = 60.0
POST_PAUSE_S = 0.05
REFUSED_PAUSE_S = 2.0
"""Stripe tries sixteen times: at this pace that is longer than any recovery."""
MOVING = frozenset({"status", "reference", "client_token", "position"})
"""Fields of an announced deposit that tell where it stands now, and not what was asked."""


@dataclass(frozen=True, slots=True)
class Street:
    """The house, its people, and the Stripe that outlives it."""

    house: HouseProcess
    people: People
    stripe: StripeSimulator

    def times(self, kind: str) -> Counter[int]:
        """How often each amount stands at Stripe, as a `payment_intent` or a `refund`."""
        with self.stripe.world.lock:
            return Counter(found["amount"] for found in self.stripe.world.all(kind))

    def expected(self) -> dict[str, int]:
        """What each client must have: what Stripe took in for them, less what it paid out."""
        told, wallets = self.people.told, Counter[str]()
        for amount, times in self.times("payment_intent").items():
            wallets[told.payers[amount]] += amount * times
        for amount, times in self.times("refund").items():
            wallets[told.takers[amount]] -= amount * times
        return dict(wallets)

    def wallets(self) -> dict[str, int]:
        """What each client has by the house's books, once nothing is held."""
        found = {}
        for client in set(self.people.told.payers.values()):
            available, held = self.people.wallet(client)
            found[client] = available if not held else -1
        return found


@dataclass(frozen=True, slots=True)
class Drill:
    """What was told before, between and after the kills, and what stands now."""

    told: Told
    differing: list[str]
    """Keys of requests that were acknowledged and are answered differently now."""
    payments: Counter[int]
    refunds: Counter[int]
    wallets: dict[str, int]
    expected: dict[str, int]
    recoveries_s: list[float]
    given_up: int
    verify: tuple[int, Any]
    trial: dict[str, Decimal]

    @property
    def duplicated(self) -> int:
        return sum(times > 1 for times in (self.payments | self.refunds).values())


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with contextlib.ExitStack() as open_:
        stripe = open_.enter_context(StripeSimulator(SEED, wall_clock))
        house = HouseProcess(tmp_path_factory.mktemp("house"), stripe.url)
        open_.callback(house.stop)
        house.start()
        stripe.send_webhooks_to(f"{house.url}/webhooks/stripe/{MERCHANT}", WEBHOOK_SECRET)
        open_.enter_context(_posting(stripe))
        people = People(house, stripe)
        open_.callback(people.close)
        yield Street(house, people, stripe)


@pytest.fixture(scope="module")
def drill(street: Street) -> Drill:
    """Kill and start the house some times under load, then ask for everything again."""
    chance, recoveries_s = random.Random(SEED), []
    people, house = street.people, street.house
    people.start()
    for _ in range(KILLS):
        people.await_more(chance.randint(*ACKS_BETWEEN))
        begun = time.monotonic()
        house.kill()
        house.start()
        people.await_more(1)
        recoveries_s.append(time.monotonic() - begun)
    people.stop()
    acknowledged = people.told.acknowledged
    answers = people.again([asked for asked, _ in acknowledged])
    _await_calm(street)
    return Drill(
        told=people.told,
        differing=[
            asked.key
            for (asked, first), now in zip(acknowledged, answers, strict=True)
            if not _is_same(first, now)
        ],
        payments=street.times("payment_intent"),
        refunds=street.times("refund"),
        wallets=street.wallets(),
        expected=street.expected(),
        recoveries_s=recoveries_s,
        given_up=street.stripe.post.given_up,
        verify=house.ask("verify"),
        trial=people.trial_balance(),
    )


def test_a_killed_house_keeps_every_answer_and_applies_nothing_twice(
    drill: Drill, tell: Callable[..., None]
) -> None:
    told = drill.told
    tell(
        seed=SEED,
        kills=KILLS,
        acknowledged=len(told.acknowledged),
        unheard=told.unheard,
        lost=len(drill.differing),
        duplicated=drill.duplicated,
        recovery_s=" ".join(f"{seconds:.1f}" for seconds in drill.recoveries_s),
    )
    assert len(told.acknowledged) > KILLS * ACKS_BETWEEN[0]
    assert told.unheard, "nobody was met by a dead house"
    assert not drill.differing
    assert drill.payments == Counter(dict.fromkeys(told.payers, 1))
    assert drill.refunds == Counter(dict.fromkeys(told.takers, 1))
    assert drill.wallets == drill.expected
    assert not drill.given_up, "a webhook was never accepted"
    assert drill.verify[0] == 0, drill.verify
    assert drill.verify[1]["held"]
    assert drill.trial == dict.fromkeys(CURRENCIES, 0)


def test_control_the_same_requests_under_new_keys_are_applied_twice(
    drill: Drill, street: Street, tell: Callable[..., None]
) -> None:
    deposits = [asked for asked, _ in drill.told.acknowledged if asked.path == "/v1/deposits"]
    street.people.again([replace(asked, key=f"new-{asked.key}") for asked in deposits])
    times = street.times("payment_intent")
    tell(seed=SEED, repeated=len(deposits), duplicated=sum(n > 1 for n in times.values()))
    assert times == Counter(dict.fromkeys(drill.told.payers, 2))


@contextlib.contextmanager
def _posting(stripe: StripeSimulator) -> Iterator[None]:
    """Send webhooks as they come; what a dead house refuses is sent again a little later."""
    stop = threading.Event()

    def post() -> None:
        pause = POST_PAUSE_S
        while not stop.wait(pause):
            pause = REFUSED_PAUSE_S if stripe.deliver(workers=2).refused else POST_PAUSE_S

    postman = threading.Thread(target=post, daemon=True)
    postman.start()
    try:
        yield
    finally:
        stop.set()
        postman.join()


def _await_calm(street: Street) -> None:
    """Wait until the books and Stripe agree, or for so long that they never will."""
    deadline = time.monotonic() + CALM_S_MAX
    asked = len(street.people.told.takers)
    while time.monotonic() < deadline:
        paid_out = sum(street.times("refund").values()) >= asked
        if paid_out and street.wallets() == street.expected():
            return
        time.sleep(0.2)


def _is_same(first: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether a repeated request got its first answer; a deposit may have gone on since."""
    if "client_token" not in first:
        return first == now
    moved_on = now["position"] >= first["position"]
    known = first["reference"] in {None, now["reference"]}
    return moved_on and known and _fixed(first) == _fixed(now)


def _fixed(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: said for name, said in answer.items() if name not in MOVING}
