"""How secrets look: what stands in a file of settings and should not is found before it is used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "a key of a payment provider": re.compile(r"\b(sk|rk)_(live|test)_\w"),
    "a webhook's signing secret": re.compile(r"\bwhsec_\w"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a token of a vault": re.compile(r"\b(hv)?[sb]\.[A-Za-z0-9_-]{20,}"),
    "a token": re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"),
    "a password": re.compile(r"(?i)\b(password|passwd|pwd|sslpassword)\s*=\s*[^\s&]"),
    "a password in an address": re.compile(r"://[^/\s:@]*:[^/\s@]+@"),
}


def plain_secrets(said: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Find what looks like a secret: where it stands, and what it looks like; never the value."""
    match said:
        case str():
            for looks, shape in SHAPES.items():
                if shape.search(said):
                    yield at, looks
        case dict():
            for name, value in said.items():
                yield from plain_secrets(value, f"{at}.{name}" if at else str(name))
                # A name may be anything that somebody pasted in the wrong place.
                yield from plain_secrets(str(name), f"a name in {at}" if at else "a name")
        case list() | tuple():
            for number, value in enumerate(said, 1):
                yield from plain_secrets(value, f"{at}[{number}]")
        case _:
            return
