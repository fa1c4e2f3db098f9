"""Card numbers never rest here: what looks like one is masked before a message is kept.

A number of 13 to 19 digits that begins like a card scheme's and passes the Luhn check keeps its
first digit and its last four; length and JSON stay as they were.
"""

from __future__ import annotations

import re
from typing import Final

_CANDIDATE: Final = re.compile(rb"(?<![0-9A-Za-z_])[2-6](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z_])")
_DIGITS: Final = b"0123456789"
_KEPT_LAST: Final = 4
_TEN: Final = 10


def masked(raw: bytes) -> bytes:
    """Mask every card number in a message; a message without one comes back as it is."""
    return _CANDIDATE.sub(_mask, raw)


def has_card_number(raw: bytes) -> bool:
    """Tell whether a message holds what looks like a card number."""
    return masked(raw) != raw


def _mask(found: re.Match[bytes]) -> bytes:
    text = found.group()
    places = [place for place, byte in enumerate(text) if byte in _DIGITS]
    if not _luhn([text[place] - _DIGITS[0] for place in places]):
        return text
    hidden = bytearray(text)
    for place in places[1:-_KEPT_LAST]:
        hidden[place] = _DIGITS[0]
    return bytes(hidden)


def _luhn(digits: list[int]) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled >= _TEN else doubled
    return total % _TEN == 0
