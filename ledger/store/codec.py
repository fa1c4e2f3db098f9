"""How facts are stored: readable JSON under names of our own, with versions and upcasters."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from ledger.decision import Fact
from ledger.errors import LogUnreadable
from ledger.store.limits import STATE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

F = TypeVar("F")

_NAME: Final = re.compile(r"[a-z]+(\.[a-z0-9]+(-[a-z0-9]+)*)+")
_NOT_UTC: Final = re.compile(rb'T\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[+-]\d\d:\d\d)?"')
"""A written time with another offset than Z, or with none; or a text that looks like one."""


class Envelope(msgspec.Struct, Generic[F], kw_only=True, omit_defaults=True, gc=False):
    """One stored fact: schema version, world's time, actor, request, cause, and the fact itself.

    `req` is `<key hex>:<contents>` on the first fact of a keyed command, and `n` then says how many
    facts the command recorded: those are its answer, for ever.
    """

    v: int
    at: datetime
    by: str
    req: str = ""
    n: int = 1
    why: int | None = None
    data: F


class Vocabulary:
    """The stored names that this program can read and write.

    Args:
        facts: the types of the facts; each has a `NAME` of its own and a `VERSION`.
        upcasters: by (name, version): turns the plain `data` of that version into the next one's.
    """

    def __init__(
        self,
        facts: Iterable[type[Fact]],
        upcasters: Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]
        | None = None,
    ) -> None:
        self._types: dict[str, type[Fact]] = {}
        self._timed: dict[type[Fact], bool] = {}
        self._upcasters = dict(upcasters or {})
        for fact in facts:
            self._add(fact)
        for name, version in self._upcasters:
            known = self._types.get(name)
            if known is None or not 1 <= version < known.VERSION:
                raise ValueError(
                    f"an upcaster from {name} version {version}, which is no past form"
                )
        self._encoder = msgspec.json.Encoder()
        self._decoders: dict[str, msgspec.json.Decoder[Envelope[Fact]]] = {
            name: msgspec.json.Decoder(Envelope[fact])  # type: ignore[valid-type]
            for name, fact in self._types.items()
        }
        self._plain = msgspec.json.Decoder(Envelope[dict[str, Any]])

    def _add(self, fact: type[Fact]) -> None:
        name = fact.NAME
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no stored name: it reads like `payments.deposit-confirmed`"
            )
        if self._types.setdefault(name, fact) is not fact:
            raise ValueError(f"two facts are called {name}")
        missing = [v for v in range(1, fact.VERSION) if (name, v) not in self._upcasters]
        if missing:
            raise ValueError(f"{name} has no upcaster from version {missing[0]}")
        self._timed[fact] = _holds_times(msgspec.inspect.type_info(fact), name, set())

    @property
    def facts(self) -> Mapping[str, type[Fact]]:
        """The known facts by their stored names."""
        return self._types

    def encode(
        self,
        fact: Fact,
        at: datetime,
        by: str,
        req: str = "",
        why: int | None = None,
        *,
        n: int = 1,
    ) -> bytes:
        """Write a fact as it will stand in the log."""
        kind = type(fact)
        holds_times = self._timed.get(kind)
        assert holds_times is not None, f"{kind.__name__} is not in the vocabulary"
        if at.tzinfo is not UTC:
            assert at.tzinfo is not None, "times carry a zone"
            at = at.astimezone(UTC)
        envelope = Envelope(v=kind.VERSION, at=at, by=by, req=req, n=n, why=why, data=fact)
        state = self._encoder.encode(envelope)
        if holds_times and _NOT_UTC.search(state):
            # Nearly all times are in UTC: to read the bytes costs a tenth of walking the fact.
            envelope.data = _in_utc(fact)
            state = self._encoder.encode(envelope)
        assert len(state) <= STATE_BYTES_MAX, f"{kind.NAME} takes {len(state)} bytes"
        return state

    def decode(self, name: str, state: bytes) -> Envelope[Fact]:
        """Read a stored fact, brought to its present form.

        Raises:
            LogUnreadable: the name or the version is unknown, or the bytes are not of that form.
        """
        decoder = self._decoders.get(name)
        if decoder is None:
            raise LogUnreadable(f"the log holds {name!r}, which this program does not know")
        try:
            envelope = decoder.decode(state)
        except Exception:  # a fact's own checks refuse too; the words come from the second look
            envelope = None
        if envelope is not None and envelope.v == self._types[name].VERSION:
            return envelope
        return self._upcast(name, state)

    def _upcast(self, name: str, state: bytes) -> Envelope[Fact]:
        fact = self._types[name]
        try:
            stored = self._plain.decode(state)
        except (msgspec.DecodeError, ValueError) as error:
            raise LogUnreadable(f"a stored {name} cannot be read: {error}") from error
        if not 1 <= stored.v <= fact.VERSION:
            raise LogUnreadable(
                f"the log holds version {stored.v} of {name}; this program knows {fact.VERSION}"
            )
        data = stored.data
        try:
            for version in range(stored.v, fact.VERSION):
                data = self._upcasters[name, version](data)
            return Envelope(
                v=fact.VERSION,
                at=stored.at,
                by=stored.by,
                req=stored.req,
                n=stored.n,
                why=stored.why,
                data=msgspec.convert(data, fact),
            )
        except Exception as error:
            raise LogUnreadable(f"a stored {name} cannot be read: {error}") from error


def _holds_times(form: msgspec.inspect.Type, name: str, seen: set[type]) -> bool:
    """Tell whether a fact's form holds times; refuse one whose numbers or shape are not exact."""
    match form:
        case msgspec.inspect.FloatType() | msgspec.inspect.AnyType():
            raise ValueError(f"{name} has a field that is a float or anything: forms are exact")
        case msgspec.inspect.DateTimeType():
            return True
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            if cls in seen:
                return False
            seen.add(cls)
            inner = [field.type for field in fields]
        case msgspec.inspect.UnionType(types=types):
            inner = list(types)
        case msgspec.inspect.TupleType(item_types=types):
            inner = list(types)
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            inner = [key, value]
        case msgspec.inspect.CollectionType(item_type=item):
            inner = [item]
        case _:
            inner = []
    timed = [_holds_times(part, name, seen) for part in inner]  # every part is looked at
    return any(timed)


def _in_utc(value: Any) -> Any:
    """Return the value with every time in UTC; itself when they already are."""
    match value:
        case datetime():
            assert value.tzinfo is not None, "times carry a zone"
            return value if value.tzinfo is UTC else value.astimezone(UTC)
        case msgspec.Struct():
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            moved = {name: _in_utc(part) for name, part in fields.items()}
            changed = {name: part for name, part in moved.items() if part is not fields[name]}
            return msgspec.structs.replace(value, **changed) if changed else value
        case tuple():
            return tuple(_in_utc(part) for part in value)
        case dict():
            return {key: _in_utc(part) for key, part in value.items()}
        case _:
            return value
