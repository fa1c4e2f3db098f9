"""What goes on behind the doors while the house is open, and what of it has stopped."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """Work that nobody who asks for something waits for."""

    PROJECTIONS = "projections"
    CHECKPOINTS = "checkpoints of the log"
    ACCESS_CHECKPOINTS = "checkpoints of the access log"
    SECRETS = "secrets"


class Upkeep:
    """Who watches the house is told of a part that stands still; the books go on without it.

    One thing is worse: a log that changed while it was open. To write more behind it would bury
    what happened, so the house then calls itself unready.
    """

    def __init__(self) -> None:
        self._failing: set[Part] = set()
        self._changed: set[Part] = set()

    @property
    def failing(self) -> frozenset[Part]:
        """The parts that stand still."""
        return frozenset(self._failing | self._changed)

    @property
    def sound(self) -> bool:
        """Whether no log was seen to change."""
        return not self._changed

    def fails(self, part: Part) -> None:
        """A part stands still."""
        self._failing.add(part)

    def works(self, part: Part) -> None:
        """A part goes on."""
        self._failing.discard(part)

    def log_changed(self, part: Part) -> None:
        """A part saw what must not be; only a new start, and a person, can take this back."""
        self._changed.add(part)
