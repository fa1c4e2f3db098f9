"""Life that ends at the Nth step: every exchange of a part with the outside is one, unlisted.

What a part exchanges with a database is met where the driver waits for the server; what it
exchanges with a port, where a method of the port is called. So a step that is added tomorrow is
killed at, too, without a word here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable


class Killed(BaseException):
    """The process is gone. Not an `Exception`: no handler of ours may survive it."""


@dataclass
class Life:
    """Counts the steps, and ends before one of them; after that nothing is ever done again.

    Attributes:
        steps_max: how many are lived to see; None for ever.
    """

    steps_max: int | None = None
    steps: int = field(default=0, init=False)
    at: str = field(default="", init=False)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.steps_max is not None and self.steps >= self.steps_max

    def step(self, what: str) -> None:
        """Take one more step, or die before it."""
        if self.over:
            self.at = self.at or what
            raise Killed(f"before step {self.steps}: {what}")
        self.steps += 1


class MortalConnection(psycopg.Connection[Any]):
    """A connection whose every exchange with the server is a step of its life."""

    life: Life

    def wait(self, *args: Any, **named: Any) -> Any:
        """Exchange with the server; a dead process sends nothing, not even a ROLLBACK."""
        if (life := getattr(self, "life", None)) is not None:
            if life.over:
                self.pgconn.finish()  # as the kernel does with the sockets of the dead
            life.step("an exchange with the database")
        return super().wait(*args, **named)


class Mortal:
    """A port: a step before every method, but those that are named as reading only.

    To die after a call is to die before the next one: between the two a part only computes.
    """

    def __init__(self, port: Any, life: Life, reads: frozenset[str] = frozenset()) -> None:
        self._port, self._life, self._reads = port, life, reads

    def __getattr__(self, name: str) -> Any:
        """Give the port's own; a method comes with the step before it."""
        found = getattr(self._port, name)
        if not callable(found) or name in self._reads:
            return found
        return mortal(found, self._life, name)


def mortal(act: Callable[..., Any], life: Life, name: str) -> Callable[..., Any]:
    """Put a step before something is done."""

    def lived(*args: Any, **named: Any) -> Any:
        life.step(name)
        return act(*args, **named)

    return lived
