"""A house with few doors and no books: enough to try every lock of the frame."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from starlette.requests import Request

from api.door.bodies import RawBody, RequestModel, StrictRouter
from api.door.cursors import Cursors
from api.door.frame import Api, check_doors, framed
from api.door.middleware import Metrics
from api.door.turnstile import Rate, RateSettings, Turnstile
from api.door.words import AmountText, AsOf, CurrencyText, Id, IdempotencyKey, Page, Slug
from api.identity.caller import Caller
from api.identity.devtokens import AUDIENCE, ISSUER, DevIssuer
from api.identity.jwks import KeyFile
from api.identity.scopes import Door, Matrix, Role, Row
from api.identity.security import Needs, TokenRules, Verifier
from api.records.access import AccessRecord, touched
from ledger.errors import NotFound
from ledger.ids import ClientId, EntityId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

ENTITY = EntityId("acme-cy")
ALICE = ClientId(UUID("66000000-0000-8000-8000-00000000000a"))
BOB = ClientId(UUID("66000000-0000-8000-8000-00000000000b"))
OF_ALICE = "66000000-0000-8000-8000-0000000a1ce1"
OF_BOB = "66000000-0000-8000-8000-00000000b0b1"
MISSING = "66000000-0000-8000-8000-0000000000ff"
SECRET = "the balance of Bob is 1,000,000"
NOW = 1_790_000_000
PATIENT = RateSettings(
    # Its clock stands still: what a bucket gives at once is all that it ever gives.
    client=Rate(per_s=1, burst=1_000_000),
    service=Rate(per_s=1, burst=1_000_000),
    stranger=Rate(per_s=1, burst=1_000_000),
    probe=Rate(per_s=1, burst=1_000_000),
)

ROWS = (
    Row("POST", "/webhooks/{provider}/{merchant_account}", door=Door.SIGNATURE),
    Row("POST", "/v1/withdrawals", "withdrawals:create"),
    Row("GET", "/v1/withdrawals/{withdrawal}", "withdrawals:read"),
    Row("POST", "/v1/withdrawals/{withdrawal}/approve", "withdrawals:approve", person=True),
    Row("GET", "/v1/statements", "statements:read"),
    Row("GET", "/v1/events", "events:read"),
    Row("GET", "/v1/disputes", "disputes:read"),
    Row("GET", "/healthz", door=Door.OPEN, recorded=False),
)


class Destination(RequestModel):
    iban_reference: str


class WithdrawalRequest(RequestModel):
    client: Id
    amount: AmountText
    currency: CurrencyText
    to: Destination | None = None
    urgent: bool = False
    tags: tuple[str, ...] = ()


class View(BaseModel):
    amount: str = ""
    words: str = ""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


@dataclass
class House:
    """The app, its issuer, and everything that it wrote down."""

    app: Api
    issuer: DevIssuer
    clock: list[float]
    metrics: Metrics
    records: list[AccessRecord] = field(default_factory=list)
    failing: list[Exception] = field(default_factory=list)
    """What the next call to `/v1/events` raises."""
    sink_down: bool = False

    def token(self, role: Role = Role.OPERATIONS, **given: Any) -> str:
        return self.issuer.mint(role, given.pop("entity", ENTITY), **given)

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "",
        body: bytes | Iterable[bytes] = b"",
        headers: Iterable[tuple[bytes, bytes]] = (),
        query: bytes = b"",
    ) -> Answer:
        """Call the app as a server would; an empty token is one of operations."""
        sent = list(headers)
        if token is not None:
            sent.append((b"authorization", b"Bearer " + (token or self.token()).encode()))
        chunks = [body] if isinstance(body, bytes) else list(body)
        return asyncio.run(call(self.app, method, path, query, sent, chunks))

    async def ask_async(self, method: str, path: str) -> Answer:
        """Call the app without a token, in the loop of the test."""
        return await call(self.app, method, path, b"", [], [b""])

    def close(self) -> None:
        """Close the app as a server does."""
        asyncio.run(close(self.app))

    def withdraw(self, body: bytes | Any, *, token: str = "", **given: Any) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = given.pop(
            "headers", [(b"content-type", b"application/json"), (b"idempotency-key", b"k-1")]
        )
        return self.ask("POST", "/v1/withdrawals", token=token, body=raw, headers=headers, **given)


def good_body(**other: Any) -> dict[str, Any]:
    return {"client": str(ALICE), "amount": "10.00", "currency": "EUR", **other}


def open_house(home: Path, **changes: Any) -> House:
    clock = [float(NOW)]
    issuer = DevIssuer.at_home(home, now=lambda: clock[0])
    matrix = Matrix(changes.pop("rows", ROWS))
    origins = changes.pop("origins", ())
    turnstile = Turnstile(changes.pop("rates", PATIENT), lambda: clock[0])
    rules = TokenRules(ISSUER, AUDIENCE, frozenset({ENTITY, EntityId("acme-uk")}), **changes)
    keys = KeyFile(issuer.jwks, monotonic=lambda: clock[0])
    verifier = Verifier(keys, rules, now=lambda: clock[0])
    metrics = Metrics()
    book: list[House] = []

    async def sink(record: AccessRecord) -> None:
        if book[0].sink_down:
            raise OSError("no space left")
        book[0].records.append(record)

    app = framed(
        verifier=verifier,
        sink=sink,
        matrix=matrix,
        metrics=metrics,
        turnstile=turnstile,
        origins=origins,
        title="t",
        version="1",
    )
    house = House(app, issuer, clock, metrics)
    book.append(house)
    app.include_router(_withdrawals(), prefix="/v1")
    app.include_router(_others(house))
    check_doors(app)
    return house


def _withdrawals() -> StrictRouter:
    router = StrictRouter(prefix="/withdrawals")
    owners = {UUID(OF_ALICE): ALICE, UUID(OF_BOB): BOB}

    @router.post("", status_code=201)
    async def create(
        request: Request,
        body: WithdrawalRequest,
        caller: Annotated[Caller, Needs("withdrawals:create")],
        key: IdempotencyKey,
    ) -> View:
        caller.must_see(ClientId(body.client), ENTITY)
        touched(request, "requested withdrawal", client=ClientId(body.client))
        return View(amount=body.amount, words=SECRET)

    @router.get("/{withdrawal}")
    async def read(
        request: Request,
        withdrawal: Id,
        caller: Annotated[Caller, Needs("withdrawals:read")],
    ) -> View:
        owner = owners.get(withdrawal)
        if owner is None:
            raise NotFound(f"no withdrawal {withdrawal} in the books")
        caller.must_see(owner, ENTITY)
        touched(request, "read withdrawal", client=owner)
        return View(words=SECRET)

    @router.post("/{withdrawal}/approve")
    async def approve(
        withdrawal: Id,
        caller: Annotated[Caller, Needs("withdrawals:approve")],
        key: IdempotencyKey,
    ) -> View:
        return View(words=caller.subject)

    return router


def _others(house: House) -> StrictRouter:
    router = StrictRouter()
    cursors = Cursors(b"k" * 32)

    @router.post("/webhooks/{provider}/{merchant_account}")
    async def webhook(
        request: Request, provider: Slug, merchant_account: Slug, raw: RawBody
    ) -> View:
        if raw.startswith(b"signed"):
            touched(request, "accepted webhook")
        return View(words=str(len(raw)))

    @router.get("/v1/statements")
    async def statements(
        caller: Annotated[Caller, Needs("statements:read")], asked: Annotated[AsOf, Query()]
    ) -> View:
        return View(words=str(asked.known_at))

    @router.get("/v1/disputes")
    async def disputes(
        caller: Annotated[Caller, Needs("disputes:read")], page: Annotated[Page, Query()]
    ) -> View:
        after = cursors.open(page.cursor, "disputes") if page.cursor else 0
        return View(words=f"{after} {page.limit} {cursors.seal(7, 'disputes')}")

    @router.get("/v1/events")
    async def events(caller: Annotated[Caller, Needs("events:read")]) -> View:
        raise house.failing.pop()

    @router.get("/healthz")
    async def healthz() -> View:
        return View(words="alive")

    return router


async def call(
    app: Callable[..., Any],
    method: str,
    path: str,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    chunks: list[bytes],
) -> Answer:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    left = list(chunks)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        chunk = left.pop(0) if left else b""
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    return Answer(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(m.get("body", b"") for m in sent[1:]),
    )


async def close(app: Callable[..., Any]) -> None:
    """Play the server's part of a start and an end."""
    heard = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return heard.pop(0)

    async def send(_: dict[str, Any]) -> None:
        return None

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "app": app, "state": {}}
    await app(scope, receive, send)
