"""Rows of the read models: frozen types, how they reach their tables and how they come back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import msgspec
from psycopg.sql import SQL, Composed, Identifier

from projections.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import LiteralString
    from uuid import UUID

    from psycopg import Connection, Copy, Cursor

    from ledger.decision import Event, Fact
    from projections.log import Told

R = TypeVar("R", bound=msgspec.Struct)

LIVE: Final = "read"
"""The schema that queries read."""

STAGE: Final = """
CREATE TEMPORARY TABLE IF NOT EXISTS {stage} (LIKE {table}) ON COMMIT DELETE ROWS
"""
COPY: Final = "COPY {table} ({columns}) FROM STDIN"
MERGE: Final = """
INSERT INTO {table} ({columns}) SELECT {columns} FROM {stage}
ON CONFLICT ({key}) DO UPDATE SET {changes}
"""
EMPTY: Final = "DELETE FROM {stage}"
LOAD: Final = "SELECT {columns} FROM {table} WHERE {key} = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a batch is written: the schema's tables, inside the caller's transaction."""

    cursor: Cursor[Any]
    schema: str = LIVE

    def table(self, name: str) -> Identifier:
        """Name one of the schema's tables."""
        return Identifier(self.schema, name)

    def copy_lines(self, name: str, columns: Sequence[str], lines: str) -> None:
        """Write new rows, in the server's text form."""
        query = SQL(COPY).format(table=self.table(name), columns=names(columns))
        with self.cursor.copy(query) as copy:
            copy.write(lines)

    def merge(
        self,
        name: str,
        columns: Sequence[str],
        key: Sequence[str],
        rows: Iterable[Sequence[Any]],
        changes: LiteralString | Composed,
    ) -> None:
        """Write rows that may stand there already; `changes` says what then becomes of them."""
        with self._merging(name, columns, key, changes) as copy:
            for row in rows:
                copy.write_row(row)

    def merge_lines(
        self,
        name: str,
        columns: Sequence[str],
        key: Sequence[str],
        lines: str,
        changes: LiteralString | Composed,
    ) -> None:
        """Merge rows that are in the server's text form already."""
        with self._merging(name, columns, key, changes) as copy:
            copy.write(lines)

    @contextmanager
    def _merging(
        self,
        name: str,
        columns: Sequence[str],
        key: Sequence[str],
        changes: LiteralString | Composed,
    ) -> Iterator[Copy]:
        stage = Identifier("pg_temp", f"stage_{name}")
        plain = Identifier(f"stage_{name}")
        self.cursor.execute(SQL(STAGE).format(stage=plain, table=self.table(name)))
        with self.cursor.copy(SQL(COPY).format(table=stage, columns=names(columns))) as copy:
            yield copy
        self.cursor.execute(
            SQL(MERGE).format(
                table=self.table(name),
                stage=stage,
                columns=names(columns),
                key=names(key),
                changes=SQL(changes) if isinstance(changes, str) else changes,
            )
        )
        # The transaction may hold another batch. Not TRUNCATE, which writes the server's catalogue.
        self.cursor.execute(SQL(EMPTY).format(stage=stage))


class Projection(Protocol):
    """Folds the log into tables of its own."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables it fills."""
        ...

    def fold(self, events: Sequence[Told], target: Target) -> None:
        """Fold a batch of events, in order, into the target's tables."""
        ...


class Table(Generic[R]):
    """A table whose columns are the fields of a row type, under one key column."""

    def __init__(self, name: str, row: type[R], key: str) -> None:
        self.name = name
        self.row = row
        self.key = key
        self.columns = row.__struct_fields__
        self._line = Lines(row)

    def load(self, target: Target, keys: Collection[UUID]) -> dict[UUID, R]:
        """Return the rows that exist."""
        if not keys:
            return {}
        query = SQL(LOAD).format(
            columns=names(self.columns), table=target.table(self.name), key=Identifier(self.key)
        )
        found = fetch(target.cursor, query, (list(keys),), self.row)
        return {getattr(row, self.key): row for row in found}

    def append(self, target: Target, rows: Sequence[R]) -> None:
        """Write rows that cannot be there yet."""
        if rows:
            target.copy_lines(self.name, self.columns, self._lines(rows))

    def save(self, target: Target, rows: Sequence[R]) -> None:
        """Write rows, new or changed."""
        if not rows:
            return
        changes = SQL(", ").join(
            SQL("{0} = excluded.{0}").format(Identifier(column)) for column in self.columns
        )
        target.merge_lines(self.name, self.columns, (self.key,), self._lines(rows), changes)

    def _lines(self, rows: Iterable[R]) -> str:
        return "".join(map(self._line, rows))


@dataclass(frozen=True, slots=True)
class Folded(Generic[R]):
    """A projection of things that change: one row each, folded from the facts that concern it.

    Attributes:
        keys: which facts concern it, and whose row each moves.
        evolve: the row after the fact; None comes in where there is no row yet.
        begins: the fact that makes a row, and stands once in its life, before all others: such a
            row is neither looked for nor merged. None where a row may begin with any fact.
    """

    table: Table[R]
    keys: Mapping[type[Fact], Callable[[Event], UUID]]
    evolve: Callable[[R | None, Event], R]
    begins: type[Fact] | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """The table it fills."""
        return (self.table.name,)

    def fold(self, events: Sequence[Told], target: Target) -> None:
        """Load the rows that the batch concerns, fold it over them, write those that it moved."""
        keys = self.keys
        concerned = [(keys[type(e.fact)](e), e) for e in events if type(e.fact) in keys]
        if not concerned:
            return
        born = {key for key, event in concerned if type(event.fact) is self.begins}
        rows = self.table.load(target, {key for key, _ in concerned} - born)
        changed: dict[UUID, R] = {}
        for key, event in concerned:
            changed[key] = self.evolve(changed.get(key, rows.get(key)), event)
        self.table.append(target, [row for key, row in changed.items() if key in born])
        self.table.save(target, [row for key, row in changed.items() if key not in born])


@dataclass(frozen=True, slots=True)
class Listed(Generic[R]):
    """A projection of things that stay as they are: a row for each fact that makes one.

    Attributes:
        facts: the facts that may make one; None looks at every event.
    """

    table: Table[R]
    make: Callable[[Told], R | None]
    facts: frozenset[type[Fact]] | None = None

    @property
    def tables(self) -> tuple[str, ...]:
        """The table it fills."""
        return (self.table.name,)

    def fold(self, events: Sequence[Told], target: Target) -> None:
        """Write the batch's new rows."""
        facts = self.facts
        makers = events if facts is None else [e for e in events if type(e.fact) in facts]
        self.table.append(target, [row for row in map(self.make, makers) if row is not None])


def stream_of(event: Event) -> UUID:
    """Key a row by the stream that its facts stand on."""
    return event.stream_id


def known(row: R | None, event: Event) -> R:
    """Return the row that a fact moves; that there is none is a bug of whoever recorded it."""
    assert row is not None, f"position {event.position}: {event.fact.NAME} of nothing"
    return row


def names(columns: Iterable[str]) -> Composed:
    """Write a list of columns."""
    return SQL(", ").join(map(Identifier, columns))


def fetch(where: Connection[Any] | Cursor[Any], query: Any, params: Any, row: type[R]) -> list[R]:
    """Run a query whose columns are the fields of a row type, by name."""
    cursor = where.execute(query, params)
    assert cursor.description is not None, "a query has columns"
    columns = [column.name for column in cursor.description]
    whole = [i for i, name in enumerate(columns) if name in _whole_numbers(row)]
    found = []
    for fields in cursor:
        values = list(fields)
        for i in whole:
            if values[i] is not None:
                values[i] = int(values[i])
        found.append(msgspec.convert(dict(zip(columns, values, strict=True)), row))
    return found


_WHOLE: dict[type[msgspec.Struct], frozenset[str]] = {}


def _whole_numbers(row: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that are whole numbers: NUMERIC(38,0) comes as a decimal."""
    found = _WHOLE.get(row)
    if found is None:
        fields = msgspec.structs.fields(row)
        found = frozenset(f.name for f in fields if f.type in {int, int | None})
        _WHOLE[row] = found
    return found
