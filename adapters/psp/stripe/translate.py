"""Stripe's objects, in our words: a pure function per object, for pushed and fetched ones alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe import fields, words
from adapters.psp.stripe.fields import Json, bad
from adapters.psp.stripe.units import from_stripe
from ledger.errors import InvalidInput
from payments.notices import (
    BalanceLine,
    CaseStatus,
    DisputeNotice,
    FraudWarningNotice,
    PaymentNotice,
    PaymentStatus,
    PayoutNotice,
    PayoutStatus,
    RefundNotice,
    RefundStatus,
    SettlementNotice,
    SettlementStatus,
)
from payments.ports import MatchResult, Verification

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.money import Money

PROVIDER: Final = "stripe"
DEPOSIT_KEY: Final = "counterfoil_deposit"
PAYOUT_KEY: Final = "counterfoil_payout"
"""Under these names our ids travel in Stripe's metadata."""


@dataclass(frozen=True, slots=True)
class Translator:
    """Turns Stripe's objects of one merchant account and mode into notices.

    `at` is the world's time of the report: of the event that carried the object. Without it the
    object's own latest time is taken.
    """

    merchant_account: str
    live: bool

    def payment(self, obj: Json, at: datetime | None = None) -> PaymentNotice:
        """Translate a payment intent, with its latest charge where that is shown."""
        self._check(obj, "payment_intent")
        error = fields.nested(obj, "last_payment_error")
        raw = fields.word(obj, "status")
        status = words.PAYMENT.get(raw, PaymentStatus.UNKNOWN)
        if status is PaymentStatus.INITIATED and error is not None:
            status = PaymentStatus.FAILED
        charge = fields.shown(obj, "latest_charge")
        line = self._line_in(charge, "balance_transaction") if charge else None
        return PaymentNotice(
            provider=PROVIDER,
            merchant_account=self.merchant_account,
            reference=fields.reference(obj),
            deposit=fields.our_id(obj, DEPOSIT_KEY),
            status=status,
            raw_status=raw,
            amount=_money(obj, "amount"),
            received=_money(obj, "amount_received"),
            created_at=fields.moment(obj),
            happened_at=at or _latest(line) or fields.moment(charge or obj),
            charge=fields.maybe_reference(obj, "latest_charge"),
            instrument=_instrument(charge) if charge else None,
            failure_code=_why(error) if error else None,
            settlement=line,
        )

    def charge(self, obj: Json, at: datetime) -> PaymentNotice | None:
        """Translate a charge into what it says of its payment, None where that is not ours."""
        self._check(obj, "charge")
        deposit = fields.our_id(obj, DEPOSIT_KEY)
        payment = fields.maybe_reference(obj, "payment_intent")
        if deposit is None or payment is None:
            return None
        raw = fields.word(obj, "status")
        status = words.CHARGE.get(raw, PaymentStatus.UNKNOWN)
        if status is PaymentStatus.SUCCEEDED and not fields.truth(obj, "captured"):
            status = PaymentStatus.AUTHORISED
        return PaymentNotice(
            provider=PROVIDER,
            merchant_account=self.merchant_account,
            reference=payment,
            deposit=deposit,
            status=status,
            raw_status=raw,
            amount=_money(obj, "amount"),
            received=_money(obj, "amount_captured"),
            created_at=None,
            happened_at=at,
            charge=fields.reference(obj),
            instrument=_instrument(obj),
            failure_code=fields.maybe_word(obj, "failure_code"),
            settlement=self._line_in(obj, "balance_transaction"),
        )

    def refund(self, obj: Json, at: datetime | None = None) -> RefundNotice:
        """Translate a refund. One that failed after it succeeded has a second balance line."""
        self._check(obj, "refund")
        raw = fields.word(obj, "status")
        line = self._line_in(obj, "balance_transaction")
        failure_line = self._line_in(obj, "failure_balance_transaction")
        return RefundNotice(
            provider=PROVIDER,
            merchant_account=self.merchant_account,
            reference=fields.reference(obj),
            payment=fields.maybe_reference(obj, "payment_intent"),
            charge=fields.maybe_reference(obj, "charge"),
            payout=fields.our_id(obj, PAYOUT_KEY),
            status=words.REFUND.get(raw, RefundStatus.UNKNOWN),
            raw_status=raw,
            amount=_money(obj, "amount"),
            created_at=fields.moment(obj),
            happened_at=at or _latest(line, failure_line) or fields.moment(obj),
            failure_code=fields.maybe_word(obj, "failure_reason"),
            line=line,
            failure_line=failure_line,
        )

    def payout(self, obj: Json) -> PayoutNotice:
        """Translate a v2 outbound payment. It tells the time of each status itself."""
        self._check(obj, "v2.money_management.outbound_payment")
        raw = fields.word(obj, "status")
        times = fields.nested(obj, "status_transitions") or {}
        since = f"{raw}_at"
        details = fields.nested(obj, "status_details") or {}
        detail = fields.nested(details, raw)
        return PayoutNotice(
            provider=PROVIDER,
            merchant_account=self.merchant_account,
            reference=fields.reference(obj),
            payout=fields.our_id(obj, PAYOUT_KEY),
            status=words.OUTBOUND.get(raw, PayoutStatus.UNKNOWN),
            raw_status=raw,
            amount=_money(fields.read_object(obj.get("amount"), "amount"), "value"),
            created_at=fields.moment(obj),
            happened_at=fields.moment(times, since) if times.get(since) else fields.moment(obj),
            recipient=fields.maybe_reference(fields.nested(obj, "to") or {}, "recipient"),
            reason=fields.maybe_word(detail, "reason") if detail else None,
        )

    def dispute(self, obj: Json, at: datetime | None = None) -> DisputeNotice:
        """Translate a dispute. A deadline of zero means that it cannot be contested."""
        self._check(obj, "dispute")
        raw = fields.word(obj, "status")
        evidence = fields.nested(obj, "evidence_details") or {}
        lines = tuple(self.line(item) for item in fields.items(obj, "balance_transactions"))
        return DisputeNotice(
            provider=PROVIDER,
            merchant_account=self.merchant_account,
            reference=fields.reference(obj),
            payment=fields.maybe_reference(obj, "payment_intent"),
            charge=fields.reference(obj, "charge"),
            status=words.CASE.get(raw, CaseStatus.UNKNOWN),
            raw_status=raw,
            amount=_money(obj, "amount"),
            reason=fields.word(obj, "reason"),
            created_at=fields.moment(obj),
            happened_at=at or _latest(*lines) or fields.moment(obj),
            network_reason_code=fields.maybe_word(obj, "network_reason_code"),
            due_by=fields.moment(evidence, "due_by") if evidence.get("due_by") else None,
            past_due=evidence.get("past_due") is True,
            lines=lines,
        )

    def settlement(self, obj: Json, at: datetime | None = None) -> SettlementNotice:
        """Translate a Stripe payout: Stripe paying our bank, never a client."""
        self._check(obj, "payout")
        raw = fields.word(obj, "status")
        return SettlementNotice(
            provider=PROVIDER,
            merchant_account=self.merchant_account,
            reference=fields.reference(obj),
            status=words.SETTLEMENT.get(raw, SettlementStatus.UNKNOWN),
            raw_status=raw,
            amount=_money(obj, "amount", signed=True),
            arrives_on=fields.moment(obj, "arrival_date").date(),
            automatic=fields.truth(obj, "automatic"),
            created_at=fields.moment(obj),
            happened_at=at or fields.moment(obj),
            failure_code=fields.maybe_word(obj, "failure_code"),
        )

    def fraud_warning(self, obj: Json, at: datetime) -> FraudWarningNotice:
        """Translate an early fraud warning."""
        self._check(obj, "radar.early_fraud_warning")
        return FraudWarningNotice(
            provider=PROVIDER,
            merchant_account=self.merchant_account,
            reference=fields.reference(obj),
            payment=fields.maybe_reference(obj, "payment_intent"),
            charge=fields.reference(obj, "charge"),
            kind=fields.word(obj, "fraud_type"),
            actionable=fields.truth(obj, "actionable"),
            created_at=fields.moment(obj),
            happened_at=at,
        )

    def verification(self, obj: Json) -> Verification:
        """Translate a v2 recipient verification."""
        self._check(obj, "v2.money_management.recipient_verification")
        raw = fields.word(obj, "match_result")
        return Verification(
            reference=fields.reference(obj),
            result=words.MATCH.get(raw, MatchResult.UNKNOWN),
            raw_result=raw,
            expires_at=fields.moment(obj, "expires_at") if obj.get("expires_at") else None,
        )

    def line(self, obj: Json) -> BalanceLine:
        """Translate a balance transaction. One that does not add up is refused."""
        self._check(obj, "balance_transaction")
        amount, fee = _money(obj, "amount", signed=True), _money(obj, "fee", signed=True)
        net = _money(obj, "net", signed=True)
        if net != amount - fee:
            raise bad("net")
        return BalanceLine(
            reference=fields.reference(obj),
            type=fields.word(obj, "type"),
            category=fields.word(obj, "reporting_category"),
            currency=amount.currency,
            amount=amount.minor,
            fee=fee.minor,
            net=net.minor,
            created_at=fields.moment(obj),
            available_on=fields.moment(obj, "available_on"),
            source=fields.maybe_reference(obj, "source"),
            exchange_rate=fields.rate(obj, "exchange_rate"),
        )

    def _line_in(self, obj: Json, field: str) -> BalanceLine | None:
        found = fields.shown(obj, field)
        return self.line(found) if found else None

    def _check(self, obj: Json, kind: str) -> None:
        if obj.get("object") != kind:
            raise bad("object")
        if obj.get("livemode", self.live) is not self.live:
            raise InvalidInput(
                "a test object is not a live one, nor is a live one a test", code="wrong_mode"
            )


def _money(obj: Json, field: str, *, signed: bool = False) -> Money:
    minor = fields.whole(obj, field) if signed else fields.count(obj, field)
    return from_stripe(minor, fields.word(obj, "currency"))


def _latest(*lines: BalanceLine | None) -> datetime | None:
    return max((line.created_at for line in lines if line), default=None)


def _instrument(charge: Json) -> str | None:
    """The fingerprint of the card or account: the same wherever it pays, and no personal data."""
    details = fields.nested(charge, "payment_method_details") or {}
    kind = fields.maybe_word(details, "type")
    method = fields.nested(details, kind) if kind else None
    return fields.maybe_reference(method, "fingerprint") if method else None


def _why(error: Json) -> str | None:
    return fields.maybe_word(error, "decline_code") or fields.maybe_word(error, "code")
