"""`counterfoil authz`: the authorization file as one matrix, and as the policies of a vault."""

from __future__ import annotations

from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from adapters.secrets.policies import policy
from adapters.secrets.port import NoReference, Reference
from api.identity.authorization import authorization

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from api.house.settings import Settings
    from api.identity.authorization import Authorization
    from api.shell.output import Output

RECORDER = "access_writer"
"""Writes the access record of every recorded call."""


class Cell(NamedTuple):
    """One role at one route, and what stands behind it."""

    role: str
    route: str
    opened_by: str
    database: tuple[str, ...]
    tables: dict[str, tuple[str, ...]]
    secrets: tuple[str, ...]


def matrix(allowed: Authorization) -> Iterator[Cell]:
    """Yield every role with every route that it opens; `anybody` where nothing is asked for."""
    for route, rule in allowed.routes.items():
        held = {RECORDER} if rule.recorded else set()
        database = tuple(sorted(rule.served_as | held))
        behind = (database, _tables(allowed, database), tuple(sorted(rule.secrets)))
        match rule.door:
            case "open":
                yield Cell("anybody", route, "nothing", *behind)
            case "signature":
                yield Cell("psp_ingress", route, "signature", *behind)
            case "bearer":
                opened_by = rule.scope + (", a person" if rule.person else "")
                for role, held_by in allowed.roles.items():
                    if rule.scope in held_by.scopes:
                        yield Cell(role, route, opened_by, *behind)


def _tables(allowed: Authorization, roles: Iterable[str]) -> dict[str, tuple[str, ...]]:
    return {
        table: rights
        for table, granted in sorted(allowed.rights().items())
        if (rights := tuple(dict.fromkeys(chain(*(granted.get(role, ()) for role in roles)))))
    }


def show_matrix(out: Output) -> int:
    """Print role × route × database role × secret, then database role × table."""
    allowed = authorization()
    cells = sorted(matrix(allowed), key=lambda cell: (_order(allowed, cell.role), cell.route))
    out.data(
        {
            "matrix": [cell._asdict() for cell in cells],
            "components": {
                name: {"database": sorted(rule.served_as), "secrets": sorted(rule.secrets)}
                for name, rule in allowed.components.items()
            },
            "tables": allowed.rights(),
        }
    )
    if not out.json:
        out.raw("\n".join(page(allowed, cells)) + "\n")
    return 0


def page(allowed: Authorization, cells: Iterable[Cell]) -> Iterator[str]:
    """Yield the matrix as lines: each role's routes, then components, then tables."""
    for role, theirs in groupby(cells, key=lambda cell: cell.role):
        words = allowed.roles[role].words if role in allowed.roles else "no credential at all"
        yield f"{role}: {words}"
        yield from columns(
            (f"  {c.route}", c.opened_by, " ".join(c.database), " ".join(c.secrets)) for c in theirs
        )
        yield ""
    yield "components: what each connects as, and which secrets it reads"
    yield from columns(
        (f"  {name}", " ".join(sorted(rule.served_as)), " ".join(sorted(rule.secrets)))
        for name, rule in allowed.components.items()
    )
    yield ""
    yield "tables: who may do what"
    yield from columns((f"  {table}", who, may) for table, who, may in table_rows(allowed))


def columns(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Put rows under each other; no line is broken, however long."""
    kept = list(rows)
    widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
    for row in kept:
        yield "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()


def table_rows(allowed: Authorization) -> Iterator[tuple[str, str, str]]:
    """Yield table, database role and rights, one line each."""
    for table, granted in sorted(allowed.rights().items()):
        for role, rights in granted.items():
            yield table, role, " ".join(rights)


def _order(allowed: Authorization, role: str) -> int:
    return [*allowed.roles, "anybody"].index(role)


# --- the policies of a vault


def references(settings: BaseModel, at: str = "") -> Iterator[tuple[str, Reference]]:
    """Yield what the settings name in a vault or elsewhere, with the field that names it."""
    for name in type(settings).model_fields:
        yield from _references(getattr(settings, name), f"{at}{name}")


def _references(said: Any, at: str) -> Iterator[tuple[str, Reference]]:
    match said:
        case BaseModel():
            yield from references(said, f"{at}.")
        case tuple() | list():
            for each in said:
                yield from _references(each, at)
        case dict():
            for each in said.values():
                yield from _references(each, at)
        case str() if at in authorization().secrets:
            try:
                yield at, Reference.parse(said)
            except NoReference:
                return
        case _:
            return


def policies(allowed: Authorization, settings: BaseModel) -> dict[str, str]:
    """Write a vault's policies: what each component reads, what each role may ask tokens for."""
    named = list(references(settings))
    written = {
        f"counterfoil-{name}": policy(
            [found for at, found in named if at in rule.secrets or name == "rotation"],
            rotating=name == "rotation",
        )
        for name, rule in allowed.components.items()
    }
    for role, held in allowed.roles.items():
        if not held.scopes:
            continue
        written[f"counterfoil-as-{role}"] = (
            f'path "identity/oidc/token/counterfoil-{role}" {{\n  capabilities = ["read"]\n}}\n'
        )
    return {name: text for name, text in written.items() if text}


def show_policies(settings: Settings, out: Output) -> int:
    """Print the policies that these settings need, each under its name."""
    found = policies(authorization(), settings)
    out.data(found)
    if not out.json:
        out.raw("\n".join(f"# {name}\n{text}" for name, text in found.items()))
    return 0
