"""Reads `authorization.toml`: who may do what, by route, role, component, table and secret."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from adapters.database.roles import ROLES as DATABASE_ROLES

FILE: Final = Path(__file__).with_name("authorization.toml")

Words = Annotated[str, StringConstraints(min_length=1)]
Scope = Annotated[str, StringConstraints(pattern=r"^[a-z-]+:[a-z-]+$")]
RouteName = Annotated[str, StringConstraints(pattern=r"^(GET|POST) (/[a-z0-9_{}-]+)+$")]
TableName = Annotated[str, StringConstraints(pattern=r"^(book|read)\.[a-z_]+$")]
Right = Annotated[str, StringConstraints(pattern=r"^(SELECT|INSERT|UPDATE|DELETE)( [a-z_]+)?$")]
DatabaseRole = Annotated[str, Field(pattern="^(" + "|".join(DATABASE_ROLES) + ")$")]

ALL_RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
"""What the owner of a table holds, in the order in which the catalog tells it."""


NONE: Final = frozenset[str]()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class RouteRule(_Strict):
    """What opens a route, and as which database roles it is served."""

    scope: Scope | Literal[""] = ""
    door: Literal["bearer", "signature", "open"] = "bearer"
    person: bool = False
    recorded: bool = True
    served_as: frozenset[DatabaseRole] = Field(alias="as")
    secrets: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.scope != "") != (self.door == "bearer"):
            raise ValueError("a token's door, and no other, has a scope")
        if self.person and self.door != "bearer":
            raise ValueError("only a token says that somebody is a person")
        return self


class RoleRule(_Strict):
    """What a token of a role may ask for."""

    words: Words
    scopes: frozenset[Scope]


class ComponentRule(_Strict):
    """A part of the program: the database roles that it connects as, the secrets that it reads."""

    words: Words
    served_as: frozenset[DatabaseRole] = Field(alias="as")
    secrets: frozenset[str]


class DatabaseRule(_Strict):
    """A database role; `owns` is the schema that is its own."""

    words: Words
    owns: str = ""


class Authorization(_Strict):
    """The whole file."""

    routes: dict[RouteName, RouteRule]
    roles: dict[str, RoleRule]
    components: dict[str, ComponentRule]
    database: dict[DatabaseRole, DatabaseRule]
    tables: dict[TableName, dict[DatabaseRole, tuple[Right, ...]]]
    secrets: dict[str, Words]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        asked = {rule.scope for rule in self.routes.values()} - {""}
        given = NONE.union(*(rule.scopes for rule in self.roles.values()))
        held = NONE.union(*(rule.secrets for rule in self.components.values()))
        used = NONE.union(*(rule.served_as for rule in self.components.values()))
        served = NONE.union(*(rule.served_as for rule in self.routes.values()))
        taken = NONE.union(*(rule.secrets for rule in self.routes.values()))
        for words, some, others in (
            ("scopes that open no route, or that no role has", asked, given),
            ("secrets without a row, or that no component holds", self.secrets.keys(), held),
            ("database roles without a row, or unknown", self.database.keys(), {*DATABASE_ROLES}),
            ("database roles that no component connects as", self.database.keys(), used),
            ("roles that the doors do not connect as", served - self._doors("served_as"), NONE),
            ("secrets that the doors do not hold", taken - self._doors("secrets"), NONE),
        ):
            if differing := some ^ others:
                raise ValueError(f"{words}: {sorted(differing)}")
        return self

    def _doors(self, what: Literal["served_as", "secrets"]) -> frozenset[str]:
        doors = self.components.get("doors")
        found: frozenset[str] = NONE if doors is None else getattr(doors, what)
        return found

    def rights(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Every table with what each role may do with it, its owner included."""
        owner_of = {rule.owns: role for role, rule in self.database.items() if rule.owns}
        return {
            table: {owner_of[table.partition(".")[0]]: ALL_RIGHTS} | granted
            for table, granted in self.tables.items()
        }


def parsed(text: str) -> Authorization:
    """Read the file's text, strictly.

    Raises:
        ValueError: it is malformed, or contradicts itself.
    """
    return Authorization.model_validate(tomllib.loads(text))


@cache
def authorization() -> Authorization:
    """Read the file that this house lives by."""
    return parsed(FILE.read_text("utf-8"))
