"""Every event of compliance, in reading order. Documents and names stay behind references."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from ledger.decision import Fact
from ledger.ids import ClientId


class KycApproved(Fact, frozen=True):
    """The client is verified to a level, until a date."""

    NAME: ClassVar[str] = "compliance.kyc-approved"
    client: ClientId
    level: int
    valid_until: datetime
    evidence_ref: str


class KycRejected(Fact, frozen=True):
    """Verification failed. Final: it cannot be tried again."""

    NAME: ClassVar[str] = "compliance.kyc-rejected"
    client: ClientId
    final: bool
    evidence_ref: str


class KycExpired(Fact, frozen=True):
    """The verification ran out: documents must be renewed."""

    NAME: ClassVar[str] = "compliance.kyc-expired"
    client: ClientId


class KycRevoked(Fact, frozen=True):
    """An approval was taken back: what is not yet submitted stops."""

    NAME: ClassVar[str] = "compliance.kyc-revoked"
    client: ClientId
    evidence_ref: str


class SecondPersonAsked(Fact, frozen=True):
    """One person wants something done that takes two."""

    NAME: ClassVar[str] = "compliance.second-person-asked"
    what: str
    person: str
    until: datetime


class SecondPersonAgreed(Fact, frozen=True):
    """Another person wants the same: it is done."""

    NAME: ClassVar[str] = "compliance.second-person-agreed"
    what: str
    person: str


FACTS: tuple[type[Fact], ...] = (
    KycApproved,
    KycRejected,
    KycExpired,
    KycRevoked,
    SecondPersonAsked,
    SecondPersonAgreed,
)
