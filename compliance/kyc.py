"""The KYC case of a client: level, approved, rejected, expired, revoked; and the gates it closes.

Anything but a currently valid approval of the level asked for is "no": unknown fails closed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from compliance.facts import KycApproved, KycExpired, KycRejected, KycRevoked
from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, InvalidInput
from ledger.finding import ClientCode, Finding
from ledger.ids import ClientId, child_id

if TYPE_CHECKING:
    from collections.abc import Callable

LEVEL_MAX = 3
"""L0 nothing, L1 identity, L2 address, L3 source of funds."""


class KycStatus(StrEnum):
    """Where the case stands."""

    NONE = "none"
    APPROVED = "approved"
    REJECTED_RETRY = "rejected-retry"
    REJECTED_FINAL = "rejected-final"
    EXPIRED = "expired"
    REVOKED = "revoked"


class KycState(msgspec.Struct, frozen=True):
    """The client's verification."""

    status: KycStatus = KycStatus.NONE
    level: int = 0
    valid_until: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def level_at(self, at: datetime) -> int:
        """The level that is valid at a time; 0 when none is."""
        valid = self.status is KycStatus.APPROVED and at < self.valid_until
        return self.level if valid else 0


def evolve(state: KycState, fact: Fact) -> KycState:
    """Fold one fact into the case."""
    match fact:
        case KycApproved():
            return KycState(KycStatus.APPROVED, fact.level, fact.valid_until)
        case KycRejected():
            status = KycStatus.REJECTED_FINAL if fact.final else KycStatus.REJECTED_RETRY
            return KycState(status)
        case KycExpired():
            return KycState(KycStatus.EXPIRED)
        case KycRevoked():
            return KycState(KycStatus.REVOKED)
        case _:
            return state


KYC: Kind[KycState] = Kind("kyc", KycState(), evolve)


def kyc(client: ClientId) -> Stream[KycState]:
    """Name the client's KYC case."""
    return KYC(child_id(client, "kyc"))


def approve(
    decision: Decision, client: ClientId, *, level: int, valid_until: datetime, evidence_ref: str
) -> None:
    """Approve the client to a level. A final rejection stays final."""
    if not 1 <= level <= LEVEL_MAX:
        raise InvalidInput(f"a level is 1 to {LEVEL_MAX}", code="bad_level")
    if valid_until <= decision.at:
        raise InvalidInput("an approval ends in the future", code="bad_validity")
    if decision.get(kyc(client)).status is KycStatus.REJECTED_FINAL:
        raise Conflict("the rejection is final", code="kyc_rejected_final")
    decision.record(
        kyc(client),
        KycApproved(client=client, level=level, valid_until=valid_until, evidence_ref=evidence_ref),
    )


def reject(decision: Decision, client: ClientId, *, final: bool, evidence_ref: str) -> None:
    """Reject the verification, finally or until the client tries again."""
    if decision.get(kyc(client)).status is KycStatus.REJECTED_FINAL:
        raise Conflict("the rejection is final", code="kyc_rejected_final")
    decision.record(kyc(client), KycRejected(client=client, final=final, evidence_ref=evidence_ref))


def revoke(decision: Decision, client: ClientId, *, evidence_ref: str) -> None:
    """Take an approval back."""
    if decision.get(kyc(client)).status is not KycStatus.APPROVED:
        raise Conflict("there is no approval to revoke", code="kyc_not_approved")
    decision.record(kyc(client), KycRevoked(client=client, evidence_ref=evidence_ref))


def expire(decision: Decision, client: ClientId) -> None:
    """Record that an approval ran out."""
    state = decision.get(kyc(client))
    if state.status is not KycStatus.APPROVED or decision.at < state.valid_until:
        raise Conflict("there is no approval that ran out", code="kyc_not_expired")
    decision.record(kyc(client), KycExpired(client=client))


def kyc_gate(level_needed: int) -> Callable[[Decision, ClientId], Finding]:
    """Build the gate that asks for a currently valid level."""
    assert 1 <= level_needed <= LEVEL_MAX, f"level {level_needed} asks for nothing"

    def gate(decision: Decision, client: ClientId) -> Finding:
        state = decision.get(kyc(client))
        level = state.level_at(decision.at)
        if level >= level_needed:
            return Finding.passed("kyc", f"level {level}")
        code = (
            ClientCode.UNDER_REVIEW
            if state.status in {KycStatus.REVOKED, KycStatus.REJECTED_FINAL}
            else ClientCode.DOCUMENTS_NEEDED
        )
        return Finding.held("kyc", f"{state.status}, level {level} of {level_needed}", code)

    return gate
