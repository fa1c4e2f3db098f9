"""The strict reader: what it takes, what it refuses, and that nothing else ever comes out of it."""

from __future__ import annotations

import json
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.strict_json import BYTES_MAX, DEPTH_MAX, loads_strict
from ledger.errors import InvalidInput

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_reads_whatever_is_plain_json(value: object, ascii_only: bool) -> None:
    assert loads_strict(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


def test_reads_fractions_without_floats() -> None:
    assert loads_strict(b'{"rate": 0.1}') == {"rate": Decimal("0.1")}
    assert loads_strict(b"1e5") == Decimal(100000)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b'{"a":1}x', "malformed_json"),
        (b"{'a':1}", "malformed_json"),
        (b'"\x01"', "malformed_json"),
        (b"\xff", "malformed_json"),
        (b"\xef\xbb\xbf{}", "malformed_json"),
        (b'"\\ud800"', "malformed_json"),
        (b'{"\\u0000": 1}', "malformed_json"),
        (b'{"a":1,"a":1}', "duplicate_key"),
        (b'[{"b":{"a":1,"\\u0061":2}}]', "duplicate_key"),
        (b"NaN", "number_out_of_range"),
        (b"-Infinity", "number_out_of_range"),
        (b"1e999999", "number_out_of_range"),
        (b"1e" + b"9" * 5000, "number_out_of_range"),
        (b"0." + b"1" * 5000, "number_out_of_range"),
        (b"9" * 5000, "number_out_of_range"),
        (b"-" + b"9" * 20, "number_out_of_range"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "json_too_deep"),
        (b'{"a":' * 100_000, "body_too_large"),
        (b"[" * BYTES_MAX, "json_too_deep"),
        (b'"\\"' * 80_000, "malformed_json"),
    ],
)
def test_refuses_hostile_text_in_one_typed_way(raw: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        loads_strict(raw)

    assert refusal.value.public_code == code
    assert len(refusal.value.detail) < 100, "a body is never echoed"


@pytest.mark.parametrize("raw", [b"9" * 19, b"[" * 32 + b"]" * 32, b'"[[[[{{{{\\"]]"', b"-0"])
def test_takes_what_lies_just_within_the_bounds(raw: bytes) -> None:
    loads_strict(raw)


def test_brackets_within_a_text_are_not_depth() -> None:
    text = "[" * 500 + '"' + "{" * 500 + "\\"

    assert loads_strict(json.dumps({"a": [text, text]}).encode()) == {"a": [text, text]}


def test_the_standard_reader_takes_or_falls_over_what_we_refuse() -> None:
    """The control: these bodies do harm to a reader that is not strict."""
    assert json.loads('{"a":1,"a":2}') == {"a": 2}
    assert json.loads("1e999999") == float("inf")
    with pytest.raises(RecursionError):
        json.loads("[" * 200_000)


def test_nothing_but_our_refusal_comes_out_of_random_bytes() -> None:
    chance = random.Random(20261)
    alphabet = b'{}[]":,\\0123456789.eE+-truefalsn \xc3\xa9\xed\xa0\x80u'
    for _ in range(5_000):
        raw = bytes(chance.choices(alphabet, k=chance.randrange(40)))
        try:
            loads_strict(raw)
        except InvalidInput:
            continue
