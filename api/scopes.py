"""The scope matrix: which role may open which door. A route without a row is never served."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fastapi import FastAPI


class Role(StrEnum):
    """Who a token speaks for. A role is a set of scopes; a token may ask for fewer."""

    CLIENT = "client"
    PSP_INGRESS = "psp_ingress"
    OPERATIONS = "operations"
    COMPLIANCE = "compliance"
    RISK = "risk"
    FINANCE = "finance"
    AUDIT = "audit"
    CRM = "crm"
    OPERATOR = "operator"


class Door(StrEnum):
    """What opens a route."""

    BEARER = "a bearer token with the row's scope"
    SIGNATURE = "the provider's signature over the body"
    OPEN = "nothing: it tells nothing"


@dataclass(frozen=True, slots=True)
class Row:
    """One route.

    Attributes:
        method: upper case.
        path: the template, as the router has it.
        scope: what a token must carry; empty where the door is no token.
        door: what opens it.
        person: only a person may, never a service.
        recorded: it reads or changes account data, so every call is an access record.
    """

    method: str
    path: str
    scope: str = ""
    door: Door = Door.BEARER
    person: bool = False
    recorded: bool = True
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the template by the router's own rules."""
        assert (self.scope == "") != (self.door is Door.BEARER), self.path
        object.__setattr__(self, "pattern", compile_path(self.path)[0])


MATRIX: Final[tuple[Row, ...]] = (
    Row("POST", "/webhooks/{provider}/{merchant_account}", door=Door.SIGNATURE),
    Row("POST", "/v1/clients", "clients:create"),
    Row("GET", "/v1/clients/{client}", "clients:read"),
    Row("GET", "/v1/clients/{client}/wallets", "balances:read"),
    Row("POST", "/v1/clients/{client}/activity", "clients:activity"),
    Row("POST", "/v1/clients/{client}/freeze", "clients:freeze", person=True),
    Row("POST", "/v1/clients/{client}/trading-accounts", "clients:trading-accounts"),
    Row("POST", "/v1/kyc/{client}", "kyc:decide"),
    Row("POST", "/v1/deposits", "deposits:create"),
    Row("GET", "/v1/deposits", "deposits:read"),
    Row("GET", "/v1/deposits/{deposit}", "deposits:read"),
    Row("POST", "/v1/withdrawals", "withdrawals:create"),
    Row("GET", "/v1/withdrawals", "withdrawals:read"),
    Row("GET", "/v1/withdrawals/{withdrawal}", "withdrawals:read"),
    Row("POST", "/v1/withdrawals/{withdrawal}/cancel", "withdrawals:cancel"),
    Row("POST", "/v1/withdrawals/{withdrawal}/approve", "withdrawals:approve", person=True),
    Row("POST", "/v1/conversions/quotes", "conversions:quote"),
    Row("POST", "/v1/conversions", "conversions:create"),
    Row("GET", "/v1/disputes", "disputes:read"),
    Row("GET", "/v1/disputes/{dispute}", "disputes:read"),
    Row("GET", "/v1/balances", "balances:read"),
    Row("GET", "/v1/statements", "statements:read"),
    Row("GET", "/v1/trial-balance", "trial-balance:read"),
    Row("GET", "/v1/events", "events:read"),
    Row("POST", "/v1/rates", "rates:set", person=True),
    Row("GET", "/v1/reviews", "reviews:read"),
    Row("GET", "/healthz", door=Door.OPEN, recorded=False),
    Row("GET", "/readyz", door=Door.OPEN, recorded=False),
    Row("GET", "/metrics", "metrics:read", recorded=False),
)

_LOOK: Final = ("clients:read", "deposits:read", "withdrawals:read", "disputes:read")
_BOOKS: Final = ("balances:read", "statements:read")

ROLES: Final[Mapping[Role, frozenset[str]]] = {
    role: frozenset(scopes)
    for role, scopes in {
        # Its own client only: `Caller.must_see` holds every route to that.
        Role.CLIENT: (
            *("clients:read", "deposits:create", "deposits:read"),
            *("withdrawals:create", "withdrawals:read", "withdrawals:cancel"),
            *("conversions:quote", "conversions:create", *_BOOKS),
        ),
        # A webhook carries no token: its signature is the credential.
        Role.PSP_INGRESS: (),
        Role.OPERATIONS: (
            *(*_LOOK, *_BOOKS, "clients:create", "clients:freeze", "clients:trading-accounts"),
            *("deposits:create", "reviews:read"),
            *("withdrawals:create", "withdrawals:cancel", "withdrawals:approve"),
            *("conversions:quote", "conversions:create"),
        ),
        Role.COMPLIANCE: (
            *(*_LOOK, *_BOOKS, "clients:freeze", "kyc:decide", "withdrawals:approve"),
            *("events:read", "reviews:read"),
        ),
        Role.RISK: (*_LOOK, *_BOOKS, "clients:freeze"),
        # No events: they hold the inner reasons of gates, which are compliance's.
        Role.FINANCE: (*_LOOK, *_BOOKS, "trial-balance:read", "rates:set", "reviews:read"),
        Role.AUDIT: (*_LOOK, *_BOOKS, "trial-balance:read", "events:read", "reviews:read"),
        # No withdrawals: a held one must not reach whoever talks to the client.
        Role.CRM: (
            *("clients:create", "clients:read", "clients:activity", "clients:trading-accounts"),
            "disputes:read",
        ),
        Role.OPERATOR: ("metrics:read",),
    }.items()
}


class UnguardedRoute(Exception):
    """The app and the matrix differ: the app must not start."""


class Matrix:
    """The rows, found by method and path."""

    def __init__(self, rows: Iterable[Row] = MATRIX) -> None:
        self.rows = tuple(rows)
        self._of_method: dict[str, list[Row]] = {}
        for row in self.rows:
            self._of_method.setdefault(row.method, []).append(row)

    def find(self, method: str, path: str) -> tuple[Row, dict[str, str]] | None:
        """Find the row that a call meets, and the names in its path."""
        for row in self._of_method.get(method, ()):
            # fullmatch: the router's `$` would let a newline through at the end.
            if found := row.pattern.fullmatch(path):
                return row, found.groupdict()
        return None

    def methods(self, path: str) -> list[str]:
        """List the methods that a path knows."""
        return sorted({row.method for row in self.rows if row.pattern.fullmatch(path)})

    def check_every_route_has_a_row(self, app: FastAPI) -> None:
        """Hold the app and the matrix together, both ways.

        Raises:
            UnguardedRoute: a route without a row, or a row without a route.
        """
        routes = set(_routes(app))
        rows = {(row.method, row.path) for row in self.rows}
        assert len(rows) == len(self.rows), "one row for one route"
        if routes != rows:
            raise UnguardedRoute(
                f"routes without a row: {sorted(routes - rows)}; "
                f"rows without a route: {sorted(rows - routes)}"
            )


def check_every_route_has_a_row(app: FastAPI) -> None:
    """Hold the app to the matrix of this house. Start-up and a test ask."""
    Matrix().check_every_route_has_a_row(app)


def _routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(app.routes):
        # A mount has no methods; it would be a door that the matrix cannot see through.
        for method in route.methods or {"MOUNT"}:
            yield method, str(route.path_format or route.path)
