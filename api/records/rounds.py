"""The worker's rounds as access records: one before its work begins, one of what came of it.

The first is durable before anything is read or done, so that no crash hides who was at work; the
second names the clients, whom only the facts tell.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from api.house.traces import span
from api.house.trail import tell_recorded
from api.records.access_record import AccessRecord, Named
from api.records.access_words import Action, Fields, Outcome
from ledger.chart import KINDS, Owner, kind_of, owner_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from datetime import datetime

    from ledger.decision import Body, Command, Receipt, Stream
    from ledger.ids import EntityId
    from payments.reactors.desk import Submits

FIELDS: Final = (Fields.MOVEMENTS, Fields.PAYMENT_DETAILS, Fields.DISPUTES, Fields.REASONS)
MERGE: Final = "merge"
"""What is done to a kept message: the one kind of work that is named by its thing alone."""


def parts_of(name: Hashable) -> tuple[object, ...]:
    """Take a job's name apart: the kind of work first."""
    return name if isinstance(name, tuple) else (MERGE, name)


class Acted:
    """A book that remembers whom the facts concern that were recorded through it."""

    def __init__(self, book: Submits) -> None:
        self.entity: EntityId = book.entity
        self._book = book
        self._clients: set[str] = set()
        self._lock = Lock()

    def submit(self, command: Command) -> Receipt:
        """Decide a command, and remember whom it concerned."""
        with span("command", cause=command.why):
            receipt = self._book.submit(command)
        tell_recorded(command, receipt)
        found = {client for event in receipt.events for client in _clients(event.fact)}
        with self._lock:
            self._clients |= found
        return receipt

    def state(self, stream: Stream[Any]) -> Any:
        """Return the state of a stream as committed now."""
        return self._book.state(stream)

    def body(self, body_id: UUID) -> Body | None:
        """Return a raw message, sealed as it was kept."""
        return self._book.body(body_id)

    def take(self) -> set[str]:
        """Return the clients since the last call."""
        with self._lock:
            clients, self._clients = self._clients, set()
        return clients


def round_record(
    names: Iterable[Hashable],
    *,
    at: datetime,
    subject: str,
    request_id: str,
    outcome: Outcome,
    clients: set[str],
) -> AccessRecord:
    """Write what a round is about.

    Args:
        names: of the jobs, e.g. `("open", deposit)`; a kept message is named by its id alone.
        clients: those whom the recorded facts concern; before the work, none is known.
    """
    kinds: set[str] = set()
    things: set[str] = set()
    for name in names:
        parts = parts_of(name)
        kinds.add(str(parts[0]))
        things.update(str(part) for part in parts[1:] if isinstance(part, UUID))
    return AccessRecord(
        at=at,
        subject=subject,
        action=Action.CHANGE,
        outcome=outcome,
        did=tuple(sorted(kinds)),
        fields=FIELDS,
        clients=Named.of(clients),
        things=Named.of(things),
        request_id=request_id,
        route="worker",
    )


def _clients(fact: Any) -> set[str]:
    client, entry = getattr(fact, "client", None), getattr(fact, "entry", None)
    found = set() if client is None else {str(client)}
    for posting in entry.postings if entry is not None else ():
        if KINDS[kind_of(posting.account).name].owner is Owner.CLIENT:
            found.add(str(owner_of(posting.account)))
    return found
