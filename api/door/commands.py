"""From a write at the door to a command of the book: ids, times and keys are made here."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from ledger.decision import Command
from ledger.ids import fingerprint, request_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import msgspec
    from starlette.requests import Request

    from api.door.bodies import RequestModel
    from api.house.bootstrap import House
    from api.house.front import Front
    from api.identity.caller import Caller
    from ledger.decision import Decision, Receipt, Stream

S = TypeVar("S", bound="msgspec.Struct")

_MILLISECONDS_BITS: Final = 48
_VERSION_7: Final = 0x7
_VARIANT: Final = 0x2
_RANDOM_BITS: Final = 74


def new_id(now: datetime) -> UUID:
    """Make an id of something of ours: a UUIDv7, so neighbours in time are so in the index."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << _MILLISECONDS_BITS) - 1)
    chance = secrets.randbits(_RANDOM_BITS)
    high, low = chance >> 62, chance & ((1 << 62) - 1)
    return UUID(
        int=(milliseconds << 80) | (_VERSION_7 << 76) | (high << 64) | (_VARIANT << 62) | low
    )


@dataclass(frozen=True, slots=True)
class Write:
    """A write as it came: who asks for what, under which Idempotency-Key.

    The key names the request for ever, within the entity and the token's subject (and its client:
    the tokens of all clients may share one subject). Ids that are made anew on a repetition are
    no part of the contents; the answer comes from the facts of the first time.
    """

    request: Request
    caller: Caller
    key: str
    body: RequestModel | None = None

    def command(
        self, house: House, decide: Callable[[Decision], None], *names: Stream[Any]
    ) -> Command:
        """Build the command; `names` are the streams that it will read."""
        caller = self.caller
        whose = "" if caller.client is None else str(caller.client)
        return Command(
            decide=decide,
            by=caller.subject,
            at=house.clock(),
            key=request_key("idempotency-key", caller.entity, caller.subject, whose, self.key),
            contents=fingerprint(self._contents()),
            names=names,
        )

    async def submit(
        self, front: Front, decide: Callable[[Decision], None], *names: Stream[Any]
    ) -> Receipt:
        """Submit the command and await what stands in the log because of it."""
        return await front.submit(self.command(front.house, decide, *names))

    def _contents(self) -> bytes:
        said = "" if self.body is None else self.body.model_dump_json()
        return f"{self.request.method} {self.request.url.path}\n{said}".encode()


def folded(receipt: Receipt, stream: Stream[S]) -> S:
    """Fold what a receipt says of a stream that began with it: the answer of the first time."""
    state = stream.kind.blank
    for event in receipt.events:
        if event.stream_id == stream.id:
            state = stream.kind.evolve(state, event.fact)
    return state
