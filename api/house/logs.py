"""Log lines: one JSON object each, ASCII, so that nothing from outside can forge a line.

An exception is told by its type and places, never by its message: messages hold values, and values
are people's.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Final

from api.house.traces import trace_to_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FRAMES_MAX: Final = 20

_ORDINARY: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

_BOUND: Final[ContextVar[Mapping[str, str]]] = ContextVar("counterfoil_bound", default={})  # noqa: B039 - nobody writes into it


@contextlib.contextmanager
def bound(**ids: str) -> Iterator[None]:
    """Write these ids into every line that is logged inside, by this task or thread."""
    token = _BOUND.set({**_BOUND.get(), **ids})
    try:
        yield
    finally:
        _BOUND.reset(token)


class JsonLines(logging.Formatter):
    """Formats every record as one line of JSON; `extra=` members stand beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_BOUND.get(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _ORDINARY})
        if record.exc_info and record.exc_info[0]:
            kind, _, trace = record.exc_info
            line["exception"] = kind.__name__
            line["frames"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in extract_tb(trace)[-FRAMES_MAX:]
            ]
        return json.dumps(line, ensure_ascii=True, default=str)


def log_to_stderr(level: int = logging.INFO, *, traces: bool = False) -> None:
    """Send every logger of the process to stderr as JSON lines. Once, at start-up."""
    trace_to_log(on=traces)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
