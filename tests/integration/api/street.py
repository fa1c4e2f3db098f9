"""A whole street for tests: a house on a database, its doors over HTTP, and Stripe across."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from adapters.psp.stripe.simulator import ManualClock, StripeSimulator
from api.app import opened
from api.house.bootstrap import wire
from api.house.settings import MerchantSettings, Settings
from api.identity.devtokens import AUDIENCE, ISSUER, DevIssuer
from api.identity.scopes import Role
from api.serve import listening
from ledger.ids import ClientId, EntityId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.database.roles import Database
    from api.house.bootstrap import House
    from api.house.front import Front

ENTITY = EntityId("acme-cy")
MERCHANT = "stripe-eu"
SECRET = "whsec_sandbox"
THURSDAY = datetime(2026, 10, 22, 9, tzinfo=UTC)
ROUNDS_MAX = 60
NOBODY = "0192f0c0-0000-7000-8000-000000000000"


@dataclass
class Street:
    """Plays the people around the house. The worker works when `calm` says so, and not else."""

    house: House
    front: Front
    stripe: StripeSimulator
    http: httpx.Client
    issuer: DevIssuer
    clock: ManualClock
    keys: int = 0
    tokens: dict[tuple[object, ...], str] = field(default_factory=dict)

    def token(self, role: Role, whose: str | None = None, subject: str = "") -> str:
        named = (role, whose, subject)
        if named not in self.tokens:
            client = None if whose is None else ClientId(UUID(whose))
            self.tokens[named] = self.issuer.mint(role, ENTITY, client=client, subject=subject)
        return self.tokens[named]

    def headers(self, role: Role, whose: str | None = None, subject: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(role, whose, subject)}"}

    def ask(
        self,
        role: Role,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        key: str | None = None,
        whose: str | None = None,
        subject: str = "",
    ) -> httpx.Response:
        """Write; a new key each time where none is given."""
        self.keys += 1
        headers = self.headers(role, whose, subject) | {
            "Idempotency-Key": key or f"key-{self.keys}"
        }
        return self.http.post(path, json=body, headers=headers)

    def do(self, role: Role, path: str, body: dict[str, Any] | None = None, **how: Any) -> Any:
        """Write, and have it done."""
        answer = self.ask(role, path, body, **how)
        assert answer.is_success, answer.text
        return answer.json()

    def look(
        self, role: Role, path: str, *, whose: str | None = None, **query: Any
    ) -> httpx.Response:
        """Read."""
        return self.http.get(path, params=query, headers=self.headers(role, whose))

    def see(self, role: Role, path: str, *, whose: str | None = None, **query: Any) -> Any:
        """Read, and get it."""
        answer = self.look(role, path, whose=whose, **query)
        assert answer.is_success, answer.text
        return answer.json()

    def register(self, currency: str = "USD") -> str:
        """Let the CRM register a client."""
        body = {
            "residence": "CY",
            "category": "retail",
            "account_currency": currency,
            "name_ref": "crm:00001",
        }
        return str(self.do(Role.CRM, "/v1/clients", body)["client"])

    def verify(self, client: str, level: int = 1) -> None:
        """Let compliance approve the client."""
        body = {
            "decision": "approve",
            "level": level,
            "valid_until": "2027-10-01T00:00:00Z",
            "evidence_ref": "kyc:1",
        }
        self.do(Role.COMPLIANCE, f"/v1/kyc/{client}", body)

    def announce(self, client: str, amount: str, currency: str, **more: Any) -> Any:
        """Let the client announce a deposit."""
        return self.do(
            Role.CLIENT, "/v1/deposits", deposit(client, amount, currency) | more, whose=client
        )

    def pay_in(self, client: str, amount: str, currency: str) -> Any:
        """Let the client announce a deposit and pay it, and let Stripe tell of it."""
        announced = self.announce(client, amount, currency)
        self.stripe.pay(announced["reference"])
        self.calm()
        return announced

    def wallet(self, client: str, currency: str, role: Role = Role.CLIENT) -> Any:
        """Read one wallet as everything in the log leaves it."""
        found = self.see(
            role,
            f"/v1/clients/{client}/wallets",
            whose=client if role is Role.CLIENT else None,
            after=self.house.book.head(),
        )
        return next(wallet for wallet in found["wallets"] if wallet["currency"] == currency)

    def calm(self) -> None:
        """Let everybody do what they have to, until nobody has anything to do."""
        for _ in range(ROUNDS_MAX):
            sent = self.stripe.deliver()
            if not self.house.worker.round() and not sent.accepted and not sent.waiting:
                return
        raise AssertionError("it never becomes calm")


@contextlib.contextmanager
def open_street(
    database: Database, home: Path, *, folding: bool = True, **changes: Any
) -> Iterator[Street]:
    """Open the house and its doors, with projections running, and Stripe across the street."""
    clock = ManualClock(THURSDAY)
    issuer = DevIssuer.at_home(home)
    with StripeSimulator(1, clock) as stripe:
        settings = _settings(home, issuer, stripe.url, **changes)
        environ = {
            "COUNTERFOIL_STRIPE_STRIPE_EU_API_KEY": "sk_test_sandbox",
            "COUNTERFOIL_STRIPE_STRIPE_EU_WEBHOOK_SECRETS": SECRET,
        }
        with (
            wire(settings, database, environ=environ, clock=clock) as house,
            projecting(house) if folding else contextlib.nullcontext(),
            listening(app := opened(house), "127.0.0.1", 0) as url,
            httpx.Client(base_url=url, timeout=30) as http,
        ):
            stripe.send_webhooks_to(f"{url}/webhooks/stripe/{MERCHANT}", SECRET)
            yield Street(house, app.state.front, stripe, http, issuer, clock)


@contextlib.contextmanager
def projecting(house: House) -> Iterator[None]:
    """Run the projections; the worker is driven by hand."""
    stop = threading.Event()
    folds = (house.runner.run, house.access_index.follow)
    runners = [threading.Thread(target=fold, args=(stop,), daemon=True) for fold in folds]
    for runner in runners:
        runner.start()
    try:
        yield
    finally:
        house.worker.stop()
        stop.set()
        for runner in runners:
            runner.join()


def deposit(client: str, amount: str = "10.00", currency: str = "EUR") -> dict[str, Any]:
    """Write the body of a deposit."""
    return {
        "client": client,
        "amount": amount,
        "currency": currency,
        "provider": "stripe",
        "merchant_account": MERCHANT,
        "method": "card",
    }


def withdrawal(client: str, paid: str, amount: str = "10.00") -> dict[str, Any]:
    """Write the body of a withdrawal back to a deposit's charge."""
    route = {"kind": "refund", "deposit": paid}
    return {"client": client, "amount": amount, "currency": "EUR", "route": route}


def to_bank(recipient: str, method: str, currency: str) -> dict[str, Any]:
    """Write the way to a bank account of the client's."""
    return {
        "kind": "bank",
        "recipient": recipient,
        "method": method,
        "provider": "stripe",
        "merchant_account": MERCHANT,
        "currency": currency,
    }


def quote(client: str) -> dict[str, Any]:
    """Write the body of a request for a quote: a hundred euro into dollar."""
    return {"client": client, "amount": "100.00", "currency": "EUR", "into": "USD"}


def _settings(home: Path, issuer: DevIssuer, stripe_url: str, /, **changes: Any) -> Settings:
    merchant = MerchantSettings(
        name=MERCHANT, bank="eurobank", address=stripe_url, financial_account="fa_sandbox"
    )
    merchant = merchant.model_copy(update=changes.pop("merchant", {}))
    given = {
        "entity": ENTITY,
        "home": home,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks": issuer.jwks,
        "merchants": (merchant,),
        "rates": "sandbox",
        "four_eyes_above": {"EUR": 10_000_00, "USD": 10_000_00},
    }
    return Settings.model_validate(given | changes)
