"""The words of requests: amounts, keys, ids, positions and times, each with one spelling."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Header
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

AMOUNT_PATTERN: Final = r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?$"
POSITION_MAX: Final = 2**63 - 1
PAGE_MAX: Final = 500
PAGE_DEFAULT: Final = 100
KEY_CHARS_MAX: Final = 255

_POSITION: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME: Final = re.compile(
    r"(19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
    r"(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def _position(text: Any) -> Any:
    if isinstance(text, str):
        if not _POSITION.fullmatch(text):
            raise ValueError("a whole number without sign, spaces or leading zeros")
        return int(text)
    return text


def _id(text: Any) -> Any:
    # One spelling per id: braces, capitals and `urn:uuid:` would each be another name.
    if isinstance(text, str):
        if not _ID.fullmatch(text):
            raise ValueError("not an id")
        return UUID(text)
    return text


def _time(text: Any) -> Any:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError("an RFC 3339 time with a zone")
    return datetime.fromisoformat(text).astimezone(UTC)


# Rust's `$` is the end of the text, newline or not: a newline after the amount is refused.
AmountText = Annotated[str, StringConstraints(strict=True, pattern=AMOUNT_PATTERN, max_length=34)]
"""An amount as text; the asset's exponent and the sign are judged by `ledger.money`."""

CurrencyText = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Z0-9][A-Z0-9.-]{2,15}$")]
"""An asset's code in its one spelling; whether it exists is judged by `ledger.money`."""

Reference = Annotated[
    str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")
]
"""A name that another system gave: never a person's."""

Slug = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""A name of ours in a path: a provider, a merchant account."""

Id = Annotated[UUID, BeforeValidator(_id), WithJsonSchema({"type": "string", "format": "uuid"})]
"""An id in lower case with dashes, in a path, a query or a body."""

Instant = Annotated[
    datetime,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment: RFC 3339 with a zone, 1970 to 2999; in UTC from here on."""

Position = Annotated[int, BeforeValidator(_position), Field(ge=0, le=POSITION_MAX)]
"""A position in the log."""

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=KEY_CHARS_MAX,
        pattern=r"^[\x21-\x7e]+$",
        description="Names this request for ever: the same key answers with what was done.",
    ),
]
"""Required on every write."""


class QueryModel(BaseModel):
    """A closed query string: a misspelt `known_at` is refused, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Fresh(QueryModel):
    """A read that waits until the projections have seen a position."""

    after: Position | None = None


class AsOf(Fresh):
    """A read of the books effective at one time, as known at another."""

    at: Instant | None = None
    known_at: Instant | None = None


class Page(Fresh):
    """One page of a listing."""

    cursor: Annotated[str, Field(max_length=64)] | None = None
    limit: Annotated[int, BeforeValidator(_position), Field(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
