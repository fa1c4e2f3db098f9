"""Parameters as Stripe takes them: bracketed forms for v1, JSON for v2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec

from adapters.psp.stripe.simulator.errors import invalid

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.world import Obj

_PART: Final = re.compile(r"[^\[\]]+")
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")
_NUMBERS: Final = {
    *("amount", "amount_to_capture", "limit", "gt", "gte", "lt", "lte"),
}


def read_form(text: str) -> Obj:
    """Read `a[b]=1&c[0]=2` into nested dicts and lists; the known numbers become ints."""
    found: Obj = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        path = _PART.findall(key)
        if not path:
            raise invalid("Received unknown parameter", param=key[:40])
        inner = found
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise invalid("Invalid hash", param=key[:40])
        inner[path[-1]] = _value(path[-1], value)
    return {name: _listed(value) for name, value in found.items()}


def read_json(raw: bytes) -> Obj:
    """Read a v2 body: an object, or nothing."""
    try:
        return msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise invalid("Could not parse the body as a JSON object.") from error


def _value(name: str, text: str) -> object:
    if name in _NUMBERS and _WHOLE.fullmatch(text):
        return int(text)
    return {"true": True, "false": False}.get(text, text)


def _listed(value: object) -> object:
    """A dict whose keys are 0, 1, 2… was a list."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(item) for key, item in value.items()}
    if inner and list(inner) == [str(place) for place in range(len(inner))]:
        return list(inner.values())
    return inner
