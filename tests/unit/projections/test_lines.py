"""Rows as lines of COPY: every type that rows are made of, and nothing that ends a field early."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec
import pytest

from ledger.finding import Finding
from projections.lines import Lines
from projections.runner import PROJECTIONS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"


class Row(msgspec.Struct, frozen=True):
    number: int
    name: str
    colour: Colour
    known: bool
    at: datetime | None
    rate: Decimal
    thing: UUID
    words: tuple[str, ...]
    amounts: dict[str, int]


def test_every_type_is_written_as_the_server_reads_it() -> None:
    thing = UUID("01a20581-0000-8000-8000-000000000001")
    row = Row(10**30, "Ann", Colour.RED, True, NOON, Decimal("1.10"), thing, ("a", "b"), {"x": -1})
    assert Lines(Row)(row).split("\t") == [
        "1" + "0" * 30,
        "Ann",
        "red",
        "t",
        "2026-03-02T12:00:00+00:00",
        "1.10",
        thing.hex,
        '{"a","b"}',
        '{"x":-1}\n',
    ]


def test_what_would_end_a_field_or_a_line_is_escaped() -> None:
    row = Row(0, "a\tb\nc\\d\r", Colour.RED, False, None, Decimal(0), UUID(int=0), ('"\\,{}',), {})
    line = Lines(Row)(row)
    assert line.count("\t") == len(Row.__struct_fields__) - 1
    assert line.count("\n") == 1
    fields = line.split("\t")
    assert fields[1] == "a\\tb\\nc\\\\d\\r"
    assert fields[4] == "\\N"
    assert fields[7] == '{"\\\\"\\\\\\\\,{}"}'


def test_control_an_unescaped_text_would_be_two_fields() -> None:
    assert "a\tb".count("\t") == 1
    assert Lines(Row)(_named("a\tb")).count("\t") == Lines(Row)(_named("ab")).count("\t")


def test_refuses_a_type_that_no_column_holds() -> None:
    class Wrong(msgspec.Struct):
        share: float

    with pytest.raises(TypeError, match="no column holds"):
        Lines(Wrong)


def test_nested_things_are_written_as_json() -> None:
    class Judged(msgspec.Struct):
        findings: tuple[Finding, ...]

    assert Lines(Judged)(Judged(())) == "[]\n"


def test_every_read_model_has_a_form() -> None:
    tables = [getattr(projection, "table", None) for projection in PROJECTIONS]
    assert sum(table is not None for table in tables) == len(PROJECTIONS) - 1


def _named(name: str) -> Row:
    return Row(0, name, Colour.RED, False, None, Decimal(0), UUID(int=0), (), {})
