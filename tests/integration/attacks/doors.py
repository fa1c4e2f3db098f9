"""Every door of the API as OpenAPI describes it, knocked at for what is there and what is not."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.identity.scopes import MATRIX, Door, Role, Row
from tests.integration.api.street import NOBODY, deposit, quote, withdrawal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from api.house.front import Front, Reads
    from tests.integration.api.street import Street

OPENAPI = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "openapi.json").read_text("ascii")
)
GUARDED = tuple(row for row in MATRIX if row.door is Door.BEARER)
NAMED = re.compile(r"\{(\w+)\}")
SPAN = {"currency": "EUR", "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}


@dataclass(frozen=True)
class Knock:
    """One call, without its credential."""

    row: Row
    path: str
    query: dict[str, str]
    body: dict[str, Any] | None

    def send(self, ask: Callable[..., httpx.Response], credential: str | None) -> httpx.Response:
        headers = {} if credential is None else {"Authorization": credential}
        if self.row.method != "GET":
            headers["Idempotency-Key"] = "attack"
        return ask(self.row.method, self.path, headers=headers, params=self.query, json=self.body)


@dataclass(frozen=True)
class Victim:
    """A client with something in each drawer; or nobody, with ids of the same make."""

    client: str
    deposit: str = NOBODY
    withdrawal: str = NOBODY
    quote: str = NOBODY

    @classmethod
    def of(cls, street: Street) -> Victim:
        client = street.register("EUR")
        paid = street.pay_in(client, "50.00", "EUR")["deposit"]
        asked = street.do(Role.CLIENT, "/v1/withdrawals", withdrawal(client, paid), whose=client)[
            "withdrawal"
        ]
        given = street.do(Role.CLIENT, "/v1/conversions/quotes", quote(client), whose=client)
        return cls(client, paid, asked, given["quote"])

    def knock(self, row: Row) -> Knock:
        """Call a door for what is this victim's."""
        names = {"dispute": NOBODY} | vars(self)
        path = NAMED.sub(lambda found: names[found[1]], row.path)
        described = OPENAPI["paths"][row.path][row.method.lower()]
        asked = {p["name"] for p in described.get("parameters", []) if p["in"] == "query"}
        query = {"client": self.client} if "client" in asked else {}
        if row.path == "/v1/statements":
            query |= SPAN
        return Knock(row, path, query, self._body(row))

    def _body(self, row: Row) -> dict[str, Any] | None:
        bodies = {
            "/v1/deposits": deposit(self.client),
            "/v1/withdrawals": withdrawal(self.client, self.deposit),
            "/v1/conversions/quotes": quote(self.client),
            "/v1/conversions": {"client": self.client, "quote": self.quote},
        }
        return bodies.get(row.path, {}) if row.method == "POST" else None


NO_VICTIM = Victim(NOBODY)


def shape(answer: httpx.Response) -> tuple[object, ...]:
    """Reduce an answer to what an attacker can compare: all but our request id and the time."""
    told = answer.json() if answer.content else {}
    told.pop("request_id", None)
    headers = {k: v for k, v in answer.headers.items() if k not in {"x-request-id", "date"}}
    return answer.status_code, told, tuple(sorted(headers.items())), len(answer.content)


class Work:
    """Counts what a call makes the database do: an attacker's clock, without the clock."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    @contextmanager
    def counted(self, front: Front) -> Iterator[Counter[str]]:
        """Count while the context lasts."""
        self.done.clear()
        reads, front.reads = front.reads, _Counting(front.reads, self.done)  # type: ignore[assignment]
        before = front.house.book.head()
        try:
            yield self.done
        finally:
            front.reads = reads
            self.done["appended"] = front.house.book.head() - before


class _Counting:
    def __init__(self, reads: Reads, done: Counter[str]) -> None:
        self._reads, self._done = reads, done

    def __getattr__(self, name: str) -> Any:
        lend = getattr(self._reads, name)
        if name not in {"models", "log"}:
            return lend

        @contextmanager
        def counting(*args: Any, **how: Any) -> Iterator[Any]:
            self._done[name] += 1
            with lend(*args, **how) as connection:
                yield _Statements(connection, self._done)

        return counting


class _Statements:
    def __init__(self, connection: Any, done: Counter[str]) -> None:
        self._connection, self._done = connection, done

    def __getattr__(self, name: str) -> Any:
        if name in {"execute", "cursor"}:
            self._done["statements"] += 1
        return getattr(self._connection, name)
