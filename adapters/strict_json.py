"""JSON as strangers send it, read strictly: bounded, unambiguous, and refused in one typed way.

The standard reader takes NaN, duplicate keys (the last one wins), ten thousand digits, and falls
over deep nesting. Here every such body is an `InvalidInput` with a code, and nothing else is ever
raised. Numbers with a fraction become `Decimal`: no float comes in by this door.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ledger.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BYTES_MAX: Final = 256 * 1024
DEPTH_MAX: Final = 32
DIGITS_MAX: Final = 19
EXPONENT_MAX: Final = 40
"""A fraction spans at most this many places on either side of its point."""

# A string never fails to match (an open one runs to the end), so the scan is linear.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_OPENS: Final = (b"{", b"[")
_CLOSES: Final = (b"}", b"]")


def loads_strict(
    raw: bytes,
    *,
    bytes_max: int = BYTES_MAX,
    depth_max: int = DEPTH_MAX,
    digits_max: int = DIGITS_MAX,
) -> object:
    """Read one JSON text into dicts, lists, strings, ints, `Decimal`s, booleans and None.

    Args:
        raw: the bytes as they came; UTF-8 without a byte order mark.
        bytes_max: the longest text that is looked at.
        depth_max: how deep arrays and objects may nest.
        digits_max: how many digits a whole number may have.

    Raises:
        InvalidInput: `body_too_large`, `malformed_json`, `json_too_deep`, `duplicate_key` or
            `number_out_of_range`. The text itself is never in the message.
    """
    if len(raw) > bytes_max:
        raise InvalidInput(f"the body is longer than {bytes_max} bytes", code="body_too_large")
    _check_depth(raw, depth_max)
    try:
        value: object = _decoder(digits_max).decode(raw.decode("utf-8"))
    except ValueError as error:
        raise InvalidInput("the body is not JSON in UTF-8", code="malformed_json") from error
    if b"\\u" in raw and not all(map(_storable, _texts(value))):
        raise InvalidInput("a text holds half a character, or NUL", code="malformed_json")
    return value


def _check_depth(raw: bytes, depth_max: int) -> None:
    depth = 0
    for match in _TOKEN.finditer(raw):
        token = match.group()
        if token in _OPENS:
            depth += 1
            if depth > depth_max:
                raise InvalidInput(f"the body nests deeper than {depth_max}", code="json_too_deep")
        elif token in _CLOSES:
            depth -= 1


@lru_cache(maxsize=8)
def _decoder(digits_max: int) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object,
        parse_int=_whole(digits_max),
        parse_float=_fraction,
        parse_constant=_constant,
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidInput("an object names a key twice", code="duplicate_key")
    return found


def _whole(digits_max: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if len(text.lstrip("-")) > digits_max:
            raise InvalidInput(
                f"a whole number has more than {digits_max} digits", code="number_out_of_range"
            )
        return int(text)

    return parse


def _fraction(text: str) -> Decimal:
    # The length first: the exponent itself may have ten thousand digits.
    if len(text) <= 2 * EXPONENT_MAX:
        number = Decimal(text)
        if number.is_finite() and abs(number.adjusted()) <= EXPONENT_MAX:
            return number
    raise InvalidInput("a number is out of range", code="number_out_of_range")


def _constant(_: str) -> NoReturn:
    raise InvalidInput("NaN and Infinity are no numbers", code="number_out_of_range")


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield key
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case _:
            return


def _storable(text: str) -> bool:
    """No NUL and no lone surrogate: neither can be written to a database as text."""
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
