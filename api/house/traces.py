"""Spans as log lines, opt-in: what took how long, inside of what. Off, a span costs one look.

A span line has `trace`, `span`, `parent`, `of`, `start` and `milliseconds`, in the ids of W3C's
Trace Context. A caller's `traceparent` is taken up once the caller is believed; none is sent to
anybody. docs/decisions/0009 says why it is no SDK.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG: Final = logging.getLogger("counterfoil.trace")
LOG.setLevel(logging.CRITICAL)
_FORM: Final = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


@dataclass(slots=True)
class Span:
    """Something that takes time.

    Attributes:
        of: what it is, in fixed words.
        claims: gives the trace and the span that a believed caller says this belongs to. It is
            asked when the first span begins inside: by then the door has decided.
        facts: ids and counts, never values.
    """

    of: str
    trace: str = field(default_factory=lambda: uuid4().hex)
    parent: str = ""
    span: str = field(default_factory=lambda: uuid4().hex[:16])
    claims: Callable[[], tuple[str, str] | None] | None = None
    facts: dict[str, object] = field(default_factory=dict)

    def settled(self) -> Span:
        """Take up what a believed caller claims, once."""
        asked, self.claims = self.claims, None
        if asked is not None and (claimed := asked()) is not None:
            self.trace, self.parent = claimed
        return self


CURRENT: Final[ContextVar[Span | None]] = ContextVar("counterfoil_span", default=None)


def trace_to_log(*, on: bool) -> None:
    """Write spans into the log, or nowhere."""
    LOG.setLevel(logging.INFO if on else logging.CRITICAL)


@contextlib.contextmanager
def span(
    of: str, *, claims: Callable[[], tuple[str, str] | None] | None = None, **facts: object
) -> Iterator[dict[str, object]]:
    """Measure what happens inside; gives the facts of its line, to be added to."""
    if not LOG.isEnabledFor(logging.INFO):
        yield facts
        return
    made = _inside(of, facts)
    made.claims = claims
    token, start, begun = CURRENT.set(made), datetime.now(UTC), time.perf_counter()
    try:
        yield facts
    except BaseException as error:
        facts["failed"] = type(error).__name__
        raise
    finally:
        CURRENT.reset(token)
        _tell(made.settled(), start, time.perf_counter() - begun)


def ended(of: str, seconds: float, **facts: object) -> None:
    """Tell of a span that has just ended."""
    if LOG.isEnabledFor(logging.INFO):
        start = datetime.now(UTC) - timedelta(seconds=seconds)
        _tell(_inside(of, facts), start, seconds)


def claimed(header: bytes) -> tuple[str, str] | None:
    """Read a `traceparent`: the trace, and the span that called us; None where it is none."""
    found = _FORM.fullmatch(header)
    return None if found is None else (found[1].decode(), found[2].decode())


def _inside(of: str, facts: dict[str, object]) -> Span:
    outer = CURRENT.get()
    if outer is None:
        return Span(of, facts=facts)
    outer.settled()
    return Span(of, outer.trace, outer.span, facts=facts)


def _tell(made: Span, start: datetime, seconds: float) -> None:
    LOG.info(
        "span",
        extra={
            **made.facts,
            "of": made.of,
            "trace": made.trace,
            "span": made.span,
            "parent": made.parent,
            "start": start.isoformat(timespec="microseconds"),
            "milliseconds": round(seconds * 1000, 3),
        },
    )
