"""Position 1: the fact that opens the book of one legal entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from ledger.decision import Command, Kind
from ledger.errors import LogUnreadable
from ledger.facts import BookOpened
from ledger.ids import child_id, request_key

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.decision import Decision, Fact
    from ledger.ids import EntityId
    from ledger.store.chain import Row
    from ledger.store.codec import Vocabulary

OPENED_BY: Final = "ledger.book"


class Opening(msgspec.Struct, frozen=True, gc=False):
    """Whose book it is; empty before it is opened."""

    entity: str = ""


def _evolve(state: Opening, fact: Fact) -> Opening:
    return Opening(fact.entity) if isinstance(fact, BookOpened) else state


OPENING: Final = Kind("ledger.book", Opening(), _evolve)


def opening(entity: EntityId, at: datetime) -> Command:
    """Return the command that opens the book, where nobody has yet."""
    stream = OPENING(child_id(UUID(int=0), "book", entity))

    def decide(decision: Decision) -> None:
        if not decision.get(stream).entity:
            decision.record(stream, BookOpened(entity=entity))

    return Command(
        decide, OPENED_BY, at, request_key("book-opened"), contents=entity, names=(stream,)
    )


def check_opening(first: Row | None, entity: EntityId, vocabulary: Vocabulary) -> None:
    """Check that a log is the book of this entity.

    Raises:
        LogUnreadable: it is another entity's, or its first row opens nothing.
    """
    fact = None if first is None else vocabulary.decode(first.name, first.state).data
    if not isinstance(fact, BookOpened):
        raise LogUnreadable("position 1 does not open a book")
    if fact.entity != entity:
        raise LogUnreadable(f"this is the book of {fact.entity}, not of {entity}")
