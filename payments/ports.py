"""What payments ask of a payment provider: small roles, and three kinds of answer.

Every call outward answers `Accepted | Declined | Unknown`. Only `Accepted` and `Declined` settle
anything. `Unknown` asks for a look-up (`CanFind`), never for another provider. What providers
report stands in `payments.notices`, and is offered here too.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from ledger.money import Money
from payments.notices import (
    BalanceLine,
    CaseStatus,
    Delivery,
    DisputeNotice,
    FraudWarningNotice,
    MatchResult,
    Mention,
    Notice,
    ObjectKind,
    PaymentNotice,
    PaymentStatus,
    PayoutNotice,
    PayoutStatus,
    RefundNotice,
    RefundStatus,
    Report,
    SettlementNotice,
    SettlementStatus,
    Unrecognised,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Accepted",
    "Answer",
    "BalanceLine",
    "CanFind",
    "CanPayOut",
    "CanRefund",
    "CanRetrieve",
    "CanTakeDeposits",
    "CanVerifyRecipients",
    "CaseStatus",
    "Declined",
    "Delivery",
    "DisputeNotice",
    "FraudWarningNotice",
    "ListsEvents",
    "MatchResult",
    "Mention",
    "Notice",
    "ObjectKind",
    "Page",
    "PaymentNotice",
    "PaymentProvider",
    "PaymentStatus",
    "PayoutNotice",
    "PayoutStatus",
    "ReadsBalance",
    "ReadsDeliveries",
    "ReceivesWebhooks",
    "Recipient",
    "RefundNotice",
    "RefundStatus",
    "Report",
    "SettlementNotice",
    "SettlementStatus",
    "Unknown",
    "Unrecognised",
    "Verification",
]


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider found out about a recipient's account. Used up by one payout."""

    reference: str
    result: MatchResult
    raw_result: str
    expires_at: datetime | None = None


class Recipient(msgspec.Struct, frozen=True):
    """A client as the provider knows them: who, and which of their accounts or cards."""

    reference: str
    method: str


N_co = TypeVar("N_co", covariant=True)


class Accepted(msgspec.Struct, Generic[N_co], frozen=True):
    """The provider took the request: this is the object as it stands.

    `client_token` is what the client's browser needs to finish a payment; it is never stored.
    """

    notice: N_co
    client_token: str | None = None


class Declined(msgspec.Struct, frozen=True):
    """This request had no effect, and that is certain.

    `may_retry` tells whether the same request may succeed later, as a new attempt with a new key.
    It says nothing of earlier attempts whose outcome is unknown.
    """

    code: str
    detail: str
    may_retry: bool = False


class Unknown(msgspec.Struct, frozen=True):
    """It may have happened or not: look it up before anything else."""

    detail: str


Answer: TypeAlias = Accepted[N_co] | Declined | Unknown


class Page(msgspec.Struct, frozen=True):
    """Events after a cursor, oldest first. `more` tells that the provider holds later ones."""

    deliveries: tuple[Delivery, ...]
    cursor: str
    more: bool


class PaymentProvider(Protocol):
    """Who a provider is to us. What it can do are the `Can…` protocols below."""

    @property
    def provider(self) -> str:
        """The brand, in lower case: a part of every id derived from its references."""
        ...

    @property
    def merchant_account(self) -> str:
        """Our name of the account we hold there: an owner in the chart of accounts."""
        ...

    @property
    def live(self) -> bool:
        """Whether real money moves."""
        ...


class ReceivesWebhooks(Protocol):
    """Opens what the provider pushes."""

    def receive(self, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> Delivery:
        """Verify and read one pushed message.

        Raises:
            InvalidInput: not from the provider, not now, not for this endpoint, or not readable.
        """
        ...


class ReadsDeliveries(Protocol):
    """Reads again what was verified and kept: same bytes, same report."""

    def read(self, raw: bytes) -> Delivery:
        """Read one kept message.

        Raises:
            InvalidInput: not readable; cannot be for bytes that `receive` or a list gave.
        """
        ...


class CanTakeDeposits(Protocol):
    """Takes payments of clients."""

    def create_payment(
        self, *, deposit: UUID, amount: Money, idempotency_key: str, capture: bool = True
    ) -> Answer[PaymentNotice]: ...

    def capture_payment(
        self, payment: str, *, amount: Money, idempotency_key: str
    ) -> Answer[PaymentNotice]: ...

    def cancel_payment(self, payment: str, *, idempotency_key: str) -> Answer[PaymentNotice]: ...


class CanRefund(Protocol):
    """Pays back a payment, wholly or in part."""

    def refund(
        self, payment: str, *, amount: Money, payout: UUID, idempotency_key: str
    ) -> Answer[RefundNotice]: ...


class CanVerifyRecipients(Protocol):
    """Asks the recipient's bank whose account it is."""

    def verify_recipient(
        self, recipient: Recipient, *, idempotency_key: str
    ) -> Answer[Verification]: ...


class CanPayOut(Protocol):
    """Sends money to a verified recipient."""

    def pay_out(
        self,
        recipient: Recipient,
        *,
        amount: Money,
        payout: UUID,
        verification: str | None,
        idempotency_key: str,
    ) -> Answer[PayoutNotice]: ...


class CanRetrieve(Protocol):
    """Tells how an object stands now. `Declined` with `not_found`: the provider never had it."""

    def retrieve_payment(self, reference: str) -> Answer[PaymentNotice]: ...

    def retrieve_refund(self, reference: str) -> Answer[RefundNotice]: ...

    def retrieve_payout(self, reference: str) -> Answer[PayoutNotice]: ...

    def retrieve_dispute(self, reference: str) -> Answer[DisputeNotice]: ...

    def retrieve_settlement(self, reference: str) -> Answer[SettlementNotice]: ...


class CanFind(Protocol):
    """Looks up by our id what an unknown outcome may have left behind.

    `Accepted(None)` is the provider's word that there is no such object *yet*: only a second such
    answer, after the longest life of a request, proves that the call had no effect.
    """

    def find_payment(
        self, deposit: UUID, *, created_after: datetime
    ) -> Answer[PaymentNotice | None]: ...

    def find_refund(self, payout: UUID, *, payment: str) -> Answer[RefundNotice | None]: ...

    def find_payout(
        self, payout: UUID, *, created_after: datetime
    ) -> Answer[PayoutNotice | None]: ...


class ListsEvents(Protocol):
    """Keeps a list of its events, so that a lost message is not a lost fact."""

    def events_after(self, cursor: str | None) -> Answer[Page]: ...


class ReadsBalance(Protocol):
    """Shows the lines of our account there, newest first."""

    def balance_lines(
        self, *, settlement: str | None = None, created_after: datetime | None = None
    ) -> Answer[tuple[BalanceLine, ...]]: ...
