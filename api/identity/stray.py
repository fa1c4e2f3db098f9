"""Finds what has no row in `authorization.toml`: secrets of the settings, tables of a database."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin

from pydantic import AfterValidator, BaseModel

from api.house.secret_settings import DatabaseAddress, SecretReference
from api.identity.authorization import ALL_RIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

    from api.identity.authorization import Authorization

_MARKS: Final = tuple(get_args(kind)[1] for kind in (SecretReference, DatabaseAddress))
_NAMED_SO: Final = re.compile(r"(^|_)(key|keys|secret|secrets|password|passphrase|token|pem)$")

RIGHTS: Final = """
SELECT c.oid::regclass::text, grantee, right_, NULL
FROM pg_class c, unnest(%(roles)s::text[]) AS grantee, unnest(%(rights)s::text[]) AS right_
WHERE c.relnamespace = ANY(ARRAY['book', 'read']::regnamespace[])
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (NOT c.relispartition OR c.relname = 'inbox_rest')
  AND has_table_privilege(grantee, c.oid, right_)
UNION ALL
SELECT c.oid::regclass::text, grantee, right_, a.attname::text
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0,
     unnest(%(roles)s::text[]) AS grantee, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS right_
WHERE c.relnamespace = ANY(ARRAY['book', 'read']::regnamespace[])
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (NOT c.relispartition OR c.relname = 'inbox_rest')
  AND NOT a.attisdropped
  AND has_column_privilege(grantee, c.oid, a.attnum, right_)
  AND NOT has_table_privilege(grantee, c.oid, right_)
"""


def secret_fields(model: type[BaseModel], at: str = "") -> Iterator[str]:
    """Name every field that leads to a secret, by what it is or by what it is called."""
    for name, field in model.model_fields.items():
        inner = list(_models(field.annotation))
        for part in inner:
            yield from secret_fields(part, f"{at}{name}.")
        marks = [*field.metadata, *_marks(field.annotation)]
        if any(mark in marks for mark in _MARKS) or (not inner and _NAMED_SO.search(name)):
            yield f"{at}{name}"


def stray_secrets(model: type[BaseModel], allowed: Authorization) -> list[str]:
    """List the secrets that have no row."""
    return sorted({*secret_fields(model)} - allowed.secrets.keys())


def live_rights(connection: Connection[Any], roles: tuple[str, ...]) -> set[str]:
    """Read from the catalog what each role may do: `table: role: RIGHT [column]`.

    Partitions of the inbox are reached through it alone; that of no month stands for them.
    """
    asked = {"roles": [*roles, "public"], "rights": list(ALL_RIGHTS)}
    return {
        f"{table}: {role}: {right}{f' {column}' if column else ''}"
        for table, role, right, column in connection.execute(RIGHTS, asked)
    }


def allowed_rights(allowed: Authorization) -> set[str]:
    """What the file says in the same words."""
    return {
        f"{table}: {role}: {right}"
        for table, granted in allowed.rights().items()
        for role, rights in granted.items()
        for right in rights
    }


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)


def _marks(kind: Any) -> Iterator[AfterValidator]:
    if get_origin(kind) is Annotated:
        yield from (mark for mark in kind.__metadata__ if isinstance(mark, AfterValidator))
    for part in get_args(kind):
        yield from _marks(part)
