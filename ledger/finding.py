"""What a gate says: clear or not, in two texts, one of which the client may see."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec

from ledger.decision import Decision
from ledger.ids import ClientId


class ClientCode(StrEnum):
    """All that a client is ever told about a request that waits.

    Sanctions, suspicion and velocity always show `under_review`: tipping off is an offence.
    """

    DOCUMENTS_NEEDED = "documents_needed"
    UNDER_REVIEW = "under_review"
    PROVIDER_DELAY = "provider_delay"
    LIMIT = "limit"


class Finding(msgspec.Struct, frozen=True, gc=False):
    """The answer of one gate, recorded under the gate's name.

    Attributes:
        gate: name of the rule.
        clear: whether this gate lets the request pass.
        internal: the reason, for compliance only.
        client_code: what the client may be told when it is not clear.
    """

    gate: str
    clear: bool
    internal: str
    client_code: ClientCode | None = None

    @classmethod
    def passed(cls, gate: str, internal: str) -> Finding:
        """The gate is open."""
        return cls(gate, True, internal)  # noqa: FBT003

    @classmethod
    def held(cls, gate: str, internal: str, client_code: ClientCode) -> Finding:
        """The gate is closed."""
        return cls(gate, False, internal, client_code)  # noqa: FBT003


Gate = Callable[[Decision, ClientId], Finding]
"""A rule that a client's money must pass; listed in `api/house/bootstrap.py`."""
