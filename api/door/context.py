"""What one call carries with it from the first byte to the access record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from api.identity.caller import Caller
    from api.identity.scopes import Row

_KEY: Final = "counterfoil.call"


@dataclass(slots=True)
class Touches:
    """What a call did to account data, in the words of the route."""

    did: list[str] = field(default_factory=list)
    clients: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    things: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Call:
    """One HTTP call.

    Attributes:
        request_id: ours, or the caller's where it was a clean token.
        row: the row of the scope matrix that the call met, once it met one.
        target: the names in the path, where they are clean.
        caller: who asks, once the token is believed.
        reason: why the door stayed shut, in fixed words of ours.
        touches: what the route says it read or did.
    """

    request_id: str
    row: Row | None = None
    target: str = ""
    caller: Caller | None = None
    reason: str = ""
    touches: Touches = field(default_factory=Touches)

    @property
    def template(self) -> str:
        """Name the route without the names in it: fit for metrics, logs and records."""
        return self.row.path if self.row else "unmatched"


def open_call(scope: MutableMapping[str, Any], request_id: str) -> Call:
    """Begin a call: the outermost middleware does, once."""
    call = Call(request_id)
    scope[_KEY] = call
    return call


def call_of(scope: MutableMapping[str, Any]) -> Call:
    """Return the call that this ASGI scope belongs to."""
    call = scope[_KEY]
    assert isinstance(call, Call), "the outermost middleware opens the call"
    return call
