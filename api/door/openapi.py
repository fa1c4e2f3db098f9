"""What OpenAPI cannot see in the signatures: problems, and what opens each door."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from api.door.problems import MEDIA_TYPE, Problem
from api.identity.scopes import Door

if TYPE_CHECKING:
    from api.identity.scopes import Matrix, Row

_PROBLEM: Final = {"$ref": "#/components/responses/Problem"}
_FRAMEWORKS_OWN: Final = ("HTTPValidationError", "ValidationError")


def described(schema: dict[str, Any], matrix: Matrix) -> dict[str, Any]:
    """Return the schema with every route's problems and credential."""
    full = copy.deepcopy(schema)
    components = full.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _FRAMEWORKS_OWN:
        schemas.pop(name, None)
    _, ours = models_json_schema(
        [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
    )
    components["schemas"] = dict(sorted((schemas | ours["$defs"]).items()))
    components["responses"] = {
        "Problem": {
            "description": "Not served: `code` says why, `retry` whether to come back.",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for row in matrix.rows:
        operation = full["paths"].get(row.path, {}).get(row.method.lower())
        if operation is not None:
            _describe(operation, row)
    return full


def _describe(operation: dict[str, Any], row: Row) -> None:
    responses = operation["responses"]
    for status in (*_statuses(row), "default"):
        responses[status] = _PROBLEM
    if row.door is Door.OPEN:
        responses.pop("422", None)
    if row.door is Door.SIGNATURE:
        operation["requestBody"] = {"required": True, "content": {"application/json": {}}}
    if row.door is Door.BEARER:
        operation["security"] = [{"bearer": [row.scope]}]


def _statuses(row: Row) -> list[str]:
    # Whoever calls too often, or with a head too large, hears so at every door.
    found = {"400", "404", "414", "431", "503"}
    match row.door:
        case Door.OPEN:
            found |= {"429"}
        case Door.BEARER:
            found |= {"401", "403", "422", "429"}
        case Door.SIGNATURE:
            pass
    if row.method != "GET":
        found |= {"408", "409", "413"}
    if row.method != "GET" and row.door is Door.BEARER:
        found |= {"415"}
    return sorted(found)
