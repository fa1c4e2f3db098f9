"""A provider's object, read field by field: what is missing or of another type is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeAlias
from uuid import UUID

from ledger.errors import InvalidInput

Json: TypeAlias = dict[str, object]

_REFERENCE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,255}")
_WORD: Final = re.compile(r"[\x20-\x7e]{1,120}")
_YEAR_9999: Final = 253_402_300_800


def bad(field: str) -> InvalidInput:
    """Name a field whose contents cannot be what the provider documents."""
    return InvalidInput(f"the provider's `{field}` cannot be read", code="provider_facts")


def read_object(value: object, field: str = "object") -> Json:
    """Read an object."""
    if isinstance(value, dict):
        return value
    raise bad(field)


def nested(obj: Json, field: str) -> Json | None:
    """Read an object inside, None where it is null or left out."""
    value = obj.get(field)
    return None if value is None else read_object(value, field)


def items(obj: Json, field: str) -> list[Json]:
    """Read a list of objects, empty where it is null or left out."""
    value = obj.get(field)
    if value is None:
        return []
    if isinstance(value, list):
        return [read_object(item, field) for item in value]
    raise bad(field)


def word(obj: Json, field: str) -> str:
    """Read a short plain text: a status, a type, a code."""
    value = obj.get(field)
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    raise bad(field)


def maybe_word(obj: Json, field: str) -> str | None:
    """Read a short plain text, None where it is null or left out."""
    return None if obj.get(field) is None else word(obj, field)


def reference(obj: Json, field: str = "id") -> str:
    """Read the id of an object, shown whole or by its id alone."""
    value = obj.get(field)
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, str) and _REFERENCE.fullmatch(value):
        return value
    raise bad(field)


def maybe_reference(obj: Json, field: str) -> str | None:
    """Read the id of an object, None where it is null or left out."""
    return None if obj.get(field) is None else reference(obj, field)


def shown(obj: Json, field: str) -> Json | None:
    """Read an object that may be named by its id alone: None where it is not shown whole."""
    value = obj.get(field)
    return None if value is None or isinstance(value, str) else read_object(value, field)


def whole(obj: Json, field: str) -> int:
    """Read a whole number; true and 1.0 are none."""
    value = obj.get(field)
    if type(value) is int:
        return value
    raise bad(field)


def count(obj: Json, field: str) -> int:
    """Read a whole number that is not negative."""
    value = whole(obj, field)
    if value >= 0:
        return value
    raise bad(field)


def truth(obj: Json, field: str) -> bool:
    """Read a yes or no."""
    value = obj.get(field)
    if isinstance(value, bool):
        return value
    raise bad(field)


def rate(obj: Json, field: str) -> Decimal | None:
    """Read a positive rate, None where it is null or left out."""
    value = obj.get(field)
    if value is None:
        return None
    if type(value) is int or isinstance(value, Decimal):
        exact = Decimal(value)
        if exact > 0:
            return exact
    raise bad(field)


def moment(obj: Json, field: str = "created") -> datetime:
    """Read a time: whole seconds since 1970 (v1), or RFC 3339 with a zone (v2)."""
    value = obj.get(field)
    if type(value) is int and 0 < value < _YEAR_9999:
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str) and _WORD.fullmatch(value):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise bad(field) from None
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    raise bad(field)


def our_id(obj: Json, key: str) -> UUID | None:
    """Read our own id out of the metadata; None where the object is not of our making."""
    metadata = nested(obj, "metadata") or {}
    value = metadata.get(key)
    if not isinstance(value, str):
        return None
    try:
        return UUID(value)
    except ValueError:
        return None
