"""A clock that only moves when it is told to."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class ManualClock:
    """The world's time in a simulation. Call it for the time; it may be shared between doubles."""

    def __init__(self, start: datetime | None = None) -> None:
        """Stand still at `start`, or at the first of October 2026."""
        self._now = start or datetime(2026, 10, 1, 9, tzinfo=UTC)
        self._lock = threading.Lock()
        assert self._now.tzinfo is not None, "times carry a zone"

    def __call__(self) -> datetime:
        """Tell the time."""
        with self._lock:
            return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move on: a clock never goes back."""
        assert by >= timedelta(0), "a clock never goes back"
        with self._lock:
            self._now += by
            return self._now

    def set(self, to: datetime) -> None:
        """Move on to a time."""
        self.advance(to - self())
