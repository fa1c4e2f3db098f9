"""Four eyes: what takes two people is asked for by one, and done when another asks the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from compliance.facts import SecondPersonAgreed, SecondPersonAsked
from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict
from ledger.ids import child_id

if TYPE_CHECKING:
    from uuid import UUID

WAITS: Final = timedelta(hours=24)
"""An older wish is forgotten: nobody finishes today what the first meant last month."""


class WishState(msgspec.Struct, frozen=True):
    """What somebody wants, until when."""

    what: str = ""
    person: str = ""
    until: datetime = datetime(1970, 1, 1, tzinfo=UTC)


def evolve(state: WishState, fact: Fact) -> WishState:
    """Fold one fact into the wish."""
    match fact:
        case SecondPersonAsked():
            return WishState(fact.what, fact.person, fact.until)
        case SecondPersonAgreed():
            return WishState()
        case _:
            return state


WISH: Kind[WishState] = Kind("four-eyes", WishState(), evolve)


def wish(thing: UUID, action: str) -> Stream[WishState]:
    """Name what people want to be done with a thing."""
    return WISH(child_id(thing, "four-eyes", action))


def agreed(decision: Decision, stream: Stream[WishState], what: str, person: str) -> bool:
    """Tell whether two people want it; the first one's wish is recorded, and nothing else.

    Args:
        decision: the command that does it.
        stream: `wish` of the thing.
        what: everything that the two must agree on, by reference.
        person: `person:<name>`; the same name is one person, whatever the token.

    Raises:
        Conflict: the same person again (`same_person`).
    """
    state = decision.get(stream)
    waiting = state.what == what and decision.at < state.until
    if waiting and state.person == person:
        raise Conflict("another person has to agree", code="same_person")
    if waiting:
        decision.record(stream, SecondPersonAgreed(what=what, person=person))
        return True
    until = decision.at + WAITS
    decision.record(stream, SecondPersonAsked(what=what, person=person, until=until))
    return False
