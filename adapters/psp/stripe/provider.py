"""Stripe behind the ports of `payments.ports`: one merchant account in one mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe import fields
from adapters.psp.stripe.events import delivery
from adapters.psp.stripe.listing import page_after
from adapters.psp.stripe.outcomes import about, ask
from adapters.psp.stripe.translate import DEPOSIT_KEY, PAYOUT_KEY, PROVIDER, Translator
from adapters.psp.stripe.units import to_stripe
from adapters.strict_json import loads_strict
from ledger.errors import InvalidInput
from payments.ports import Accepted, Answer, Declined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from adapters.psp.stripe.client import StripeApi
    from adapters.psp.stripe.fields import Json
    from adapters.psp.stripe.webhook import Webhook
    from ledger.money import Money
    from payments.notices import (
        BalanceLine,
        Delivery,
        DisputeNotice,
        PaymentNotice,
        PayoutNotice,
        RefundNotice,
        SettlementNotice,
    )
    from payments.ports import Page, Recipient, Verification

SEARCHED_BACK: Final = timedelta(minutes=10)
SEARCHED_ON: Final = timedelta(hours=1)
"""An object is looked for this long before and after the moment at which we may have made it."""


@dataclass(frozen=True, slots=True)
class Stripe:
    """One Stripe account.

    Attributes:
        financial_account: the account that v2 outbound payments are paid from.
    """

    api: StripeApi
    webhook: Webhook
    financial_account: str

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def merchant_account(self) -> str:
        return self._translator.merchant_account

    @property
    def live(self) -> bool:
        return self._translator.live

    @property
    def _translator(self) -> Translator:
        return self.webhook.translator

    def close(self) -> None:
        """Close the connections."""
        self.api.close()

    def receive(self, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> Delivery:
        return self.webhook.receive(raw, headers, now=now)

    def read(self, raw: bytes) -> Delivery:
        """Read a kept event again."""
        return delivery(loads_strict(raw), raw=raw, translator=self._translator)

    def create_payment(
        self, *, deposit: UUID, amount: Money, idempotency_key: str, capture: bool = True
    ) -> Answer[PaymentNotice]:
        """Open a payment intent; the client's browser finishes it with the token."""
        price = _price(amount)
        if isinstance(price, Declined):
            return price
        minor, currency = price
        params: Json = {
            "amount": minor,
            "currency": currency,
            "capture_method": "automatic" if capture else "manual",
            "automatic_payment_methods": {"enabled": True},
            "metadata": {DEPOSIT_KEY: str(deposit)},
        }
        answer = ask(lambda: self.api.create_intent(params, idempotency_key))
        if not isinstance(answer, Accepted):
            return answer
        secret = answer.notice.get("client_secret")
        noticed = ask(
            lambda: about(self._translator.payment(answer.notice), deposit=deposit, amount=amount)
        )
        if isinstance(noticed, Accepted) and isinstance(secret, str):
            return Accepted(noticed.notice, client_token=secret)
        return noticed

    def capture_payment(
        self, payment: str, *, amount: Money, idempotency_key: str
    ) -> Answer[PaymentNotice]:
        """Capture an authorised payment, or a part of it; the rest is let go."""
        price = _price(amount)
        if isinstance(price, Declined):
            return price
        minor, _ = price
        params: Json = {"amount_to_capture": minor}
        return ask(
            lambda: about(
                self._translator.payment(self.api.capture_intent(payment, params, idempotency_key)),
                reference=payment,
            )
        )

    def cancel_payment(self, payment: str, *, idempotency_key: str) -> Answer[PaymentNotice]:
        """Cancel a payment that was not captured."""
        return ask(
            lambda: about(
                self._translator.payment(self.api.cancel_intent(payment, idempotency_key)),
                reference=payment,
            )
        )

    def refund(
        self, payment: str, *, amount: Money, payout: UUID, idempotency_key: str
    ) -> Answer[RefundNotice]:
        """Refund a part of a payment, or all of it."""
        price = _price(amount)
        if isinstance(price, Declined):
            return price
        minor, _ = price
        params: Json = {
            "payment_intent": payment,
            "amount": minor,
            "reason": "requested_by_customer",
            "metadata": {PAYOUT_KEY: str(payout)},
        }
        return ask(
            lambda: about(
                self._translator.refund(self.api.create_refund(params, idempotency_key)),
                payment=payment,
                payout=payout,
                amount=amount,
            )
        )

    def verify_recipient(
        self, recipient: Recipient, *, idempotency_key: str
    ) -> Answer[Verification]:
        """Ask the recipient's bank whether the name fits the account. Good for five minutes."""
        params: Json = {"recipient": recipient.reference, "payout_method": recipient.method}
        return ask(
            lambda: self._translator.verification(
                self.api.create_verification(params, idempotency_key)
            )
        )

    def pay_out(
        self,
        recipient: Recipient,
        *,
        amount: Money,
        payout: UUID,
        verification: str | None,
        idempotency_key: str,
    ) -> Answer[PayoutNotice]:
        """Send a v2 outbound payment. A Stripe `Payout` never pays a client."""
        price = _price(amount)
        if isinstance(price, Declined):
            return price
        minor, currency = price
        params: Json = {
            "from": {"financial_account": self.financial_account, "currency": currency},
            "to": {
                "recipient": recipient.reference,
                "payout_method": recipient.method,
                "currency": currency,
            },
            "amount": {"value": minor, "currency": currency},
            "metadata": {PAYOUT_KEY: str(payout)},
        }
        if verification is not None:
            params["recipient_verification"] = verification
        return ask(
            lambda: about(
                self._translator.payout(self.api.create_outbound(params, idempotency_key)),
                payout=payout,
                amount=amount,
            )
        )

    def retrieve_payment(self, reference: str) -> Answer[PaymentNotice]:
        return ask(
            lambda: about(self._translator.payment(self.api.intent(reference)), reference=reference)
        )

    def retrieve_refund(self, reference: str) -> Answer[RefundNotice]:
        return ask(
            lambda: about(self._translator.refund(self.api.refund(reference)), reference=reference)
        )

    def retrieve_payout(self, reference: str) -> Answer[PayoutNotice]:
        return ask(
            lambda: about(
                self._translator.payout(self.api.outbound(reference)), reference=reference
            )
        )

    def retrieve_dispute(self, reference: str) -> Answer[DisputeNotice]:
        return ask(lambda: self._translator.dispute(self.api.dispute(reference)))

    def retrieve_settlement(self, reference: str) -> Answer[SettlementNotice]:
        return ask(lambda: self._translator.settlement(self.api.settlement(reference)))

    def find_payment(
        self, deposit: UUID, *, created_after: datetime
    ) -> Answer[PaymentNotice | None]:
        """List, not search: Stripe's search index lags behind by a minute, its lists do not."""
        first = int((created_after - SEARCHED_BACK).timestamp())
        last = int((created_after + SEARCHED_ON).timestamp())
        params: Json = {"created": {"gte": first, "lte": last}}

        def find() -> PaymentNotice | None:
            found = _ours(self.api.intents(params), DEPOSIT_KEY, deposit)
            return None if found is None else self._translator.payment(found)

        return ask(find)

    def find_refund(self, payout: UUID, *, payment: str) -> Answer[RefundNotice | None]:
        def find() -> RefundNotice | None:
            refunds = self.api.refunds({"payment_intent": payment})
            found = _ours(refunds, PAYOUT_KEY, payout)
            return None if found is None else self._translator.refund(found)

        return ask(find)

    def find_payout(self, payout: UUID, *, created_after: datetime) -> Answer[PayoutNotice | None]:
        first, last = created_after - SEARCHED_BACK, created_after + SEARCHED_ON
        params: Json = {"created": {"gte": _rfc3339(first), "lte": _rfc3339(last)}}

        def find() -> PayoutNotice | None:
            found = _ours(self.api.outbounds(params), PAYOUT_KEY, payout)
            return None if found is None else self._translator.payout(found)

        return ask(find)

    def balance_lines(
        self, *, settlement: str | None = None, created_after: datetime | None = None
    ) -> Answer[tuple[BalanceLine, ...]]:
        """Read balance lines: those of one settlement, or those created since."""
        params: Json = {}
        if settlement is not None:
            params["payout"] = settlement
        if created_after is not None:
            params["created"] = {"gte": int(created_after.timestamp())}
        lines = self.api.balance_transactions
        return ask(lambda: tuple(self._translator.line(line) for line in lines(params)))

    def events_after(self, cursor: str | None) -> Answer[Page]:
        return ask(lambda: page_after(self.api, self._translator, cursor))


def _price(amount: Money) -> tuple[int, str] | Declined:
    """Write the amount as Stripe does, or say that it has no such amount: no call is made then."""
    try:
        return to_stripe(amount)
    except InvalidInput as refusal:
        return Declined(refusal.public_code, refusal.detail)


def _ours(found: Iterable[Json], key: str, ours: UUID) -> Json | None:
    return next((obj for obj in found if fields.our_id(obj, key) == ours), None)


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
