"""One seed, one broker: hours of everything going wrong, then peace, then the books are asked."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from adapters.sealing import AesSealer
from api.house import vocabulary
from api.house.bootstrap import not_barred
from compliance.kyc import kyc_gate
from ledger.store.memory import MemoryBook
from payments.reactors import notices
from payments.reactors.desk import Desk
from payments.withdrawal import WAITS_MAX
from tests.simulation.world.faults import Crashed, Faults, FragileBook
from tests.simulation.world.market import Market
from tests.simulation.world.objects import MERCHANT, PROVIDER
from tests.simulation.world.people import ENTITY, FOUR_EYES_ABOVE, People
from tests.simulation.world.ports import Provider
from tests.simulation.world.psp import Psp
from tests.simulation.world.schedule import Schedule
from tests.simulation.world.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from payments.ports import Delivery

BEGINS = datetime(2026, 10, 20, 8, tzinfo=UTC)
BANK = "eurobank"
SEALER = AesSealer(b"k" * 32)
STILL_ROUNDS = 3
"""So many rounds without a new event, each after every pause has passed: nothing is left to do."""
ROUNDS_MAX = 200


class Simulation:
    """Everything in one place, and all chance from one seed."""

    def __init__(
        self, seed: int, trace: Callable[[str], None] | None = None, *, old_workers: int = 0
    ) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.schedule = Schedule(BEGINS, self.chance)
        self.schedule.trace = trace
        self.faults = Faults(self.chance)
        self.market = Market(self.chance.randrange(24), self.chance.choice((0, 2, 6)))
        self.psp = Psp(self.schedule, self.chance)
        self.psp.on_event = self._send
        self.provider = Provider(self.psp, self.faults)
        self.book = MemoryBook(ENTITY, vocabulary.BOOK, clock=self.schedule)
        self.desk = Desk(
            book=FragileBook(self.book, self.faults, self.schedule),
            providers={(PROVIDER, MERCHANT): self.provider},
            banks={MERCHANT: BANK},
            rates=self.market,
            gates=(kyc_gate(1),),
            credit_gates=(not_barred,),
            four_eyes_above=FOUR_EYES_ABOVE,
            sealer=SEALER,
            clock=self.schedule,
        )
        self.worker = Worker(self.book, self.desk, self.schedule, self.chance)
        # They were replaced and do not know it: each works on until peace comes.
        self.old_workers = [
            Worker(self.book, self.desk, self.schedule, self.chance) for _ in range(old_workers)
        ]
        self.people = People(self.book, self.desk, self.schedule, self.chance)

    def run(self) -> None:
        """Play the seed to its end: storm, then peace."""
        hours = self.chance.choice((1, 2, 4))
        self.people.come(self.chance.randint(1, 3), hours * 3_600, self.chance.randint(3, 24))
        for hour in range(1, hours + 1):
            self.schedule.after(hour * 3_600, "psp: settle", self.psp.settle)
        for worker in (self.worker, *self.old_workers):
            self._work(worker)
        while self.schedule.step(BEGINS + timedelta(hours=hours)):
            pass
        self._peace()

    def _work(self, worker: Worker) -> None:
        worker.round()
        if self.faults.on:
            delay = self.chance.choice((5, 20, 60, 300, 600))
            self.schedule.after(delay, "worker", partial(self._work, worker))

    def _send(self, delivery: Delivery) -> None:
        for _ in range(self.faults.copies()):
            name = f"message {delivery.event} {delivery.type}"
            self.schedule.after(self.faults.delay_s(), name, lambda: self._receive(delivery))

    def _receive(self, delivery: Delivery) -> None:
        try:
            notices.keep(self.desk, self.provider, delivery)
        except Crashed:
            # Nobody answered the provider: it sends the message again, later.
            self.schedule.after(60, f"again {delivery.event}", lambda: self._receive(delivery))

    def _peace(self) -> None:
        """Nothing goes wrong any more: whatever is pending ends, and everything is told."""
        self.schedule.tell("--- peace")
        self.faults.on = False
        self.market.has_hours = False
        while self.schedule.step():
            pass
        self._rest()
        while self.psp.finish():
            self._rest()
        if self.chance.random() < 0.3:
            self.schedule.tell("--- a month passes")
            self.schedule.now += WAITS_MAX
            self._rest()
        self.psp.reveal()
        self._rest()

    def _rest(self) -> None:
        """Let the worker go on until nothing happens any more."""
        still = 0
        for _ in range(ROUNDS_MAX):
            before = self.book.head()
            while self.schedule.step():
                pass
            self.schedule.now += timedelta(minutes=11)
            self.worker.round()
            still = 0 if self.book.head() != before else still + 1
            if still == STILL_ROUNDS:
                break
        assert still == STILL_ROUNDS, "the worker never comes to rest"
        self.worker.catch_up()
