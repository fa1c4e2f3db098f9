"""One canonical example of every event, made from its form: the same on every machine, for ever.

`python -m tests.golden.examples` adds the events that `events.jsonl` lacks. It never rewrites one:
a form that changed is a new version with an upcaster, and its old line stays.
"""

from __future__ import annotations

import types
import typing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

import msgspec

from api.house.vocabulary import ACCESS, BOOK
from ledger.finding import ClientCode, Finding
from ledger.fx import Conversion, Quote, convert
from ledger.journal import Entry, Posting, entry
from ledger.money import Money

if TYPE_CHECKING:
    from ledger.decision import Fact

FILE: Final = Path(__file__).with_name("events.jsonl")

AT: Final = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
BY: Final = "service:worker"
REQUEST: Final = f"{'0f' * 16}:{'a1' * 16}"
WHY: Final = 41

_CLIENT: Final = UUID("69a57a40-c11e-8e47-8000-000000000001")
_QUOTE: Final = Quote(
    "EUR",
    "USD",
    Decimal("1.09980"),
    Decimal("1.10020"),
    "lp-one",
    AT,
    AT + timedelta(minutes=5),
    "q-17",
)
_VALUES: Final[dict[object, object]] = {
    str: "",
    int: 100_000,
    bool: True,
    bytes: b"\x00\xff",
    datetime: AT,
    Decimal: Decimal("12.5"),
    Money: Money(100_000, "EUR"),
    Quote: _QUOTE,
    Conversion: convert(Money(100_000, "EUR"), "USD", _QUOTE, Decimal(100)),
    Entry: entry(
        "deposit confirmed",
        [
            Posting(typing.cast(Any, "acme-cy:psp:clearing:stripe-eu"), "EUR", 100_000),
            Posting(typing.cast(Any, f"acme-cy:client:wallet:{_CLIENT}"), "EUR", -100_000),
        ],
    ),
    tuple[Finding, ...]: (
        Finding.passed("four-eyes", "below the threshold"),
        Finding.held("kyc", "none, level 0 of 1", ClientCode.DOCUMENTS_NEEDED),
    ),
}
_WORDS: Final = {
    "entity": "acme-cy",
    "provider": "stripe",
    "merchant_account": "stripe-eu",
    "currency": "USD",
    "into": "USD",
    "residence": "CY",
    "account_currency": "USD",
    "login": "100200",
    "sha256": "e3" * 32,
}


def example(fact: type[Fact]) -> Fact:
    """Fill every field of a fact, the optional ones too."""
    hints = typing.get_type_hints(fact)
    return fact(**{name: _value(hints[name], name) for name in fact.__struct_fields__})


def _value(form: Any, name: str) -> object:
    """A value of a form: fixed by the form, words and ids by the field's name."""
    while isinstance(form, typing.NewType):
        form = form.__supertype__
    if typing.get_origin(form) in {typing.Union, types.UnionType}:
        (form, *_) = [part for part in typing.get_args(form) if part is not type(None)]
        return _value(form, name)
    if form is UUID:
        return _CLIENT if name == "client" else uuid5(_CLIENT, name)
    if form is str:
        return _WORDS.get(name, f"{name.replace('_', '-')}-1")
    if form in _VALUES:
        return _VALUES[form]
    if isinstance(form, type) and issubclass(form, Enum):
        return next(iter(form))
    if isinstance(form, type) and issubclass(form, msgspec.Struct):
        hints = typing.get_type_hints(form)
        return form(**{field: _value(hints[field], field) for field in form.__struct_fields__})
    if typing.get_origin(form) is tuple:
        (item, *_) = typing.get_args(form)
        return (_value(item, name),)
    if typing.get_origin(form) is dict:
        key, item = typing.get_args(form)
        return {_value(key, name): _value(item, name)}
    raise TypeError(f"no example of {form} for {name}")


def line(fact: type[Fact]) -> bytes:
    """Write the example as the log would hold it, under its stored name."""
    vocabulary = BOOK if fact.NAME in BOOK.facts else ACCESS
    state = vocabulary.encode(example(fact), AT, BY, REQUEST, WHY, n=2)
    return b'{"name":"' + fact.NAME.encode() + b'","state":' + state + b"}"


def events() -> dict[str, type[Fact]]:
    """Every event that this program knows, by its stored name."""
    return {**ACCESS.facts, **BOOK.facts}


def read(path: Path = FILE) -> dict[tuple[str, int], bytes]:
    """The committed lines, by stored name and version."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    found: dict[tuple[str, int], bytes] = {}
    for text in lines:
        said = msgspec.json.decode(text)
        found[said["name"], said["state"]["v"]] = text
    assert len(found) == len(lines), "an event has one line for each version"
    return found


def state_of(text: bytes) -> bytes:
    """The stored bytes inside a line."""
    return text.partition(b'","state":')[2][:-1]


def main() -> None:
    """Add what is missing."""
    known = read()
    new = [line(fact) for name, fact in events().items() if (name, fact.VERSION) not in known]
    FILE.write_bytes(b"".join(text + b"\n" for text in [*known.values(), *new]))


if __name__ == "__main__":
    main()
