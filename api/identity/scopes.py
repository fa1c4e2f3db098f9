"""The scope matrix: which role may open which door. A route without a row is never served.

The rows and the roles' scopes are read from `authorization.toml`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from api.identity.authorization import authorization

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
    RISK_MONITOR = "risk_monitor"
    ENFORCEMENT = "enforcement"
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


def _rows() -> Iterator[Row]:
    for name, rule in authorization().routes.items():
        method, _, path = name.partition(" ")
        door = _DOORS[rule.door]
        yield Row(method, path, rule.scope, door, rule.person, rule.recorded)


_DOORS: Final = {"bearer": Door.BEARER, "signature": Door.SIGNATURE, "open": Door.OPEN}

MATRIX: Final[tuple[Row, ...]] = tuple(_rows())

ROLES: Final[Mapping[Role, frozenset[str]]] = {
    Role(name): rule.scopes for name, rule in authorization().roles.items()
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
