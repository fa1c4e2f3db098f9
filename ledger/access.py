"""The fact of the access log: who read or changed whose data, or tried to."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from ledger.decision import Fact, Kind

EVERYONE: Final = "*"
"""Named among the clients of a record that concerns all of them: the log was read as a whole."""


class AccessRecorded(Fact, frozen=True):
    """One access, or several of a kind. Never a credential, never what was read or sent.

    When it was is the fact's own time; which of our programs kept it is the envelope's `by`. A
    count and a digest stand where there are more clients, accounts or things than are named.
    `docs/access-log.md` says what stands in each field.
    """

    NAME: ClassVar[str] = "access.recorded"
    VERSION: ClassVar[int] = 2
    subject: str
    action: str
    outcome: str
    did: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    clients_count: int = 0
    clients_sha256: str = ""
    accounts: tuple[str, ...] = ()
    accounts_count: int = 0
    accounts_sha256: str = ""
    things: tuple[str, ...] = ()
    things_count: int = 0
    things_sha256: str = ""
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


class AccessState(msgspec.Struct, frozen=True):
    """Records decide nothing: there is nothing to remember."""


ACCESS: Final[Kind[AccessState]] = Kind("access", AccessState(), lambda state, _: state)


def from_version_1(data: dict[str, Any]) -> dict[str, Any]:
    """Read a record of the first form: calls over HTTP only, their action told by the method."""
    data = dict(data)
    del data["at"]  # the same stands in the envelope
    data["action"] = "read" if data["method"] == "GET" else "change"
    data["outcome"] = outcome_of(data["status"])
    return data


_OK_BELOW: Final = 400
_FAILED_FROM: Final = 500
_DENIED: Final = frozenset({401, 403, 404, 429})


def outcome_of(status: int) -> str:
    """Say in a word how a call over HTTP ended."""
    if status < _OK_BELOW:
        return "granted"
    if status in _DENIED:
        return "denied"
    return "refused" if status < _FAILED_FROM else "failed"
