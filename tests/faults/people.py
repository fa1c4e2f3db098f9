"""The people around a house that is killed: they come, pay, withdraw, and ask until answered."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from api.identity.scopes import Role
from ledger.ids import ClientId, EntityId
from ledger.money import Money
from tests.faults.house import MERCHANT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from adapters.psp.stripe.simulator import StripeSimulator
    from tests.faults.house import HouseProcess

ENTITY = EntityId("acme-cy")
CALLERS = 6
CURRENCIES = ("EUR", "USD", "GBP")
DECIMALS = 2
DEPOSITS_EACH = 2
INSIST_S_MAX = 90.0
AGAIN_S = 0.1
DEPOSIT_FROM, WITHDRAWAL_FROM = 100_00, 10_00
"""Each payment is of another amount, so that its amount tells how often it was made."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A write: who asks for what under which key."""

    role: Role
    path: str
    body: dict[str, Any]
    key: str
    client: str | None = None


@dataclass(slots=True)
class Told:
    """What the callers asked for and heard.

    Attributes:
        acknowledged: every request with its first answer.
        unheard: how often a request was sent and its answer never came; it was repeated.
        payers: the client of each amount that was to be paid in.
        takers: the client of each amount that was to be paid out.
    """

    acknowledged: list[tuple[Asked, Any]] = field(default_factory=list)
    unheard: int = 0
    payers: dict[int, str] = field(default_factory=dict)
    takers: dict[int, str] = field(default_factory=dict)


class People:
    """Clients, one after the other through each caller, until nobody new is let in."""

    def __init__(self, house: HouseProcess, stripe: StripeSimulator) -> None:
        self.told = Told()
        self._house, self._stripe = house, stripe
        self._http = httpx.Client(timeout=10)
        self._tokens: dict[tuple[Role, str | None], str] = {}
        self._numbers: Iterator[int] = itertools.count()
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._pool = ThreadPoolExecutor(CALLERS)
        self._lives: list[Future[None]] = []

    def start(self) -> None:
        """Begin to come."""
        self._lives = [self._pool.submit(self._come) for _ in range(CALLERS)]

    def stop(self) -> None:
        """Let those who came finish what they want."""
        self._stopping.set()
        for life in self._lives:
            life.result()

    def close(self) -> None:
        """Leave at once."""
        self._stopping.set()
        self._pool.shutdown()
        self._http.close()

    def await_more(self, acks: int) -> None:
        """Wait until so many more were acknowledged; a caller's failure is raised here."""
        enough = len(self.told.acknowledged) + acks
        deadline = time.monotonic() + INSIST_S_MAX
        while len(self.told.acknowledged) < enough:
            for life in self._lives:
                if life.done():
                    life.result()
            assert time.monotonic() < deadline, "the house does not come back"
            time.sleep(0.005)

    def again(self, asked: list[Asked]) -> list[Any]:
        """Ask for all of this, again or under new keys."""
        return list(self._pool.map(self._insist, asked))

    def wallet(self, client: str) -> tuple[int, int]:
        """What a client has, available and held, in minor units."""
        wallets = self._see(Role.CLIENT, f"/v1/clients/{client}/wallets", client)["wallets"]
        available, held = (
            sum(int(Decimal(each[word]).scaleb(DECIMALS)) for each in wallets)
            for word in ("available", "held")
        )
        return available, held

    def trial_balance(self) -> dict[str, Decimal]:
        """What the house's books sum to, by currency."""
        sums = self._see(Role.FINANCE, "/v1/trial-balance")["sums"]
        return {each["currency"]: Decimal(each["amount"]) for each in sums}

    def _see(self, role: Role, path: str, client: str | None = None) -> Any:
        answer = self._http.get(f"{self._house.url}{path}", headers=self._token(role, client))
        return answer.raise_for_status().json()

    def _come(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                number = next(self._numbers)
            self._live(number)

    def _live(self, number: int) -> None:
        """Register, prove who one is, pay in, and ask for a part of it back."""
        currency = CURRENCIES[number % len(CURRENCIES)]
        registered = self._do(Asked(Role.CRM, "/v1/clients", _person(currency), f"crm-{number}"))
        client = registered["client"]
        self._do(Asked(Role.COMPLIANCE, f"/v1/kyc/{client}", _approval(), f"kyc-{number}"))
        for serial in range(number * DEPOSITS_EACH, (number + 1) * DEPOSITS_EACH):
            paid_in, paid_out = DEPOSIT_FROM + serial, WITHDRAWAL_FROM + serial
            self.told.payers[paid_in] = self.told.takers[paid_out] = client
            body = _deposit(client, paid_in, currency)
            pay = Asked(Role.CLIENT, "/v1/deposits", body, f"in-{serial}", client)
            announced = self._do(pay)
            self._stripe.pay(announced["reference"] or self._reference(pay))
            body = _withdrawal(client, paid_out, currency, announced["deposit"])
            self._do(Asked(Role.CLIENT, "/v1/withdrawals", body, f"out-{serial}", client))

    def _reference(self, pay: Asked) -> str:
        """Wait for the worker: the house died, or was unsure, before it knew the payment."""
        for _ in _until(INSIST_S_MAX):
            found = self._insist(pay)["reference"]
            if found is not None:
                return str(found)
        raise AssertionError(f"{pay.key} never gets a payment")

    def _do(self, asked: Asked) -> Any:
        answer = self._insist(asked)
        self.told.acknowledged.append((asked, answer))
        return answer

    def _insist(self, asked: Asked) -> Any:
        """Repeat until it is done: unanswered, refused for the moment, or not paid yet."""
        headers = self._token(asked.role, asked.client) | {"Idempotency-Key": asked.key}
        said = "nothing"
        for _ in _until(INSIST_S_MAX):
            try:
                answer = self._http.post(
                    f"{self._house.url}{asked.path}", json=asked.body, headers=headers
                )
            except httpx.ConnectError:
                continue
            except httpx.TransportError:
                with self._lock:
                    self.told.unheard += 1
                continue
            if answer.is_success:
                return answer.json()
            said = answer.text
            assert answer.is_server_error or answer.status_code == httpx.codes.CONFLICT, said
        raise AssertionError(f"{asked.key} is never done: {said}")

    def _token(self, role: Role, client: str | None) -> dict[str, str]:
        if (role, client) not in self._tokens:
            whose = None if client is None else ClientId(UUID(client))
            self._tokens[role, client] = self._house.issuer.mint(role, ENTITY, client=whose)
        return {"Authorization": f"Bearer {self._tokens[role, client]}"}


def _until(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(AGAIN_S)


def _person(currency: str) -> dict[str, Any]:
    return {
        "residence": "CY",
        "category": "retail",
        "account_currency": currency,
        "name_ref": "crm:00001",
    }


def _approval() -> dict[str, Any]:
    until = datetime.now(UTC) + timedelta(days=300)
    return {
        "decision": "approve",
        "level": 1,
        "valid_until": until.isoformat(timespec="seconds"),
        "evidence_ref": "kyc:1",
    }


def _deposit(client: str, minor: int, currency: str) -> dict[str, Any]:
    return {
        "client": client,
        "amount": Money(minor, currency).text(),
        "currency": currency,
        "provider": "stripe",
        "merchant_account": MERCHANT,
        "method": "card",
    }


def _withdrawal(client: str, minor: int, currency: str, deposit: str) -> dict[str, Any]:
    return {
        "client": client,
        "amount": Money(minor, currency).text(),
        "currency": currency,
        "route": {"kind": "refund", "deposit": deposit},
    }
