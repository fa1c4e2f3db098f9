"""What is wrong with a database, in our own words: the driver may quote a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import psycopg

_TROUBLES: Final = (
    ("password", "it refuses the user or the password"),
    ("authentication", "it refuses the user or the password"),
    ("does not exist", "no such user or database"),
    ("refused", "nobody answers at its address"),
    ("resolve", "its host is unknown"),
    ("timeout", "it does not answer in time"),
    ("connection option", "its address cannot be read"),
)


def trouble(error: psycopg.Error) -> str:
    """Say what the trouble is."""
    said = str(error).lower()
    return next((words for sign, words in _TROUBLES if sign in said), type(error).__name__)
