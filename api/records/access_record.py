"""One access to account data, as it is told to the access log."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from api.records.access_words import Action, Fields, Outcome

NAMES_MAX: Final = 500
"""A record names this many, as many as a page lists; of more, the count and a digest of all."""


@dataclass(frozen=True, slots=True)
class Named:
    """The clients, accounts or things that an access touched.

    Where there are too many, the first of them, the number and a digest of all.
    """

    names: tuple[str, ...] = ()
    count: int = 0
    sha256: str = ""

    @classmethod
    def of(cls, every: set[str]) -> Named:
        """Name them in order."""
        ordered = sorted(every)
        if len(ordered) <= NAMES_MAX:
            return cls(tuple(ordered), len(ordered))
        digest = hashlib.sha256("\n".join(ordered).encode()).hexdigest()
        return cls(tuple(ordered[:NAMES_MAX]), len(ordered), digest)

    @property
    def beyond(self) -> int:
        """How many there are where not all are named, else 0."""
        return self.count if self.sha256 else 0


NOBODY: Final = Named()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecord:
    """One access to account data.

    Attributes:
        at: when its outcome was known, or it began; UTC.
        subject: who asked; empty where nobody was believed.
        action: whether it changes anything.
        outcome: how it ended.
        did: what was read or done, in fixed words.
        fields: which classes of data it concerns.
        clients: whose data; `ledger.access.EVERYONE` where it is everybody's.
        accounts: which accounts.
        things: ids of payments, messages and the like.
        entity: the legal entity the token is for.
        role: the role of the token; `psp_ingress` for a verified webhook.
        scope: the scope that the route asks for.
        token_id: which token, never the token.
        request_id: as in the answer's `X-Request-Id`; that of the round for a worker.
        method: the HTTP method; empty where it was no call over HTTP.
        route: the template of the path, or the command.
        target: the names in the path, or what the command was given.
        status: of the answer.
        reason: why the door stayed shut, in fixed words.
        count: how many accesses this record stands for.
        samples: request ids of some of them.
        credential: the name of what we identified ourselves with, never its value.
        asked_sha256: of what we asked another system.
        answer_sha256: of what it answered.
    """

    at: datetime
    subject: str
    action: Action
    outcome: Outcome
    did: tuple[str, ...] = ()
    fields: tuple[Fields, ...] = ()
    clients: Named = NOBODY
    accounts: Named = NOBODY
    things: Named = NOBODY
    entity: str = ""
    role: str = ""
    scope: str = ""
    token_id: str = ""
    request_id: str = ""
    method: str = ""
    route: str = ""
    target: str = ""
    status: int = 0
    reason: str = ""
    count: int = 1
    samples: tuple[str, ...] = ()
    credential: str = ""
    asked_sha256: str = ""
    answer_sha256: str = ""


Sink = Callable[[AccessRecord], Awaitable[None]]
"""Writes a record durably before it returns, or raises."""
