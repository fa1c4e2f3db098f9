"""The provider behind the ports: idempotent, and as unreliable as the seed wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from payments.ports import (
    Accepted,
    Answer,
    BalanceLine,
    Declined,
    Delivery,
    DisputeNotice,
    MatchResult,
    Page,
    PaymentNotice,
    PayoutNotice,
    Recipient,
    RefundNotice,
    SettlementNotice,
    Unknown,
    Verification,
)
from tests.simulation.world.faults import Fate
from tests.simulation.world.objects import MERCHANT, PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from ledger.money import Money
    from tests.simulation.world.faults import Faults
    from tests.simulation.world.psp import Psp

N = TypeVar("N")
PAGE = 20
STRANGER = "stranger"
"""A recipient whose account is somebody else's."""


class Provider:
    """Implements what `payments.reactors` asks of a provider."""

    provider = PROVIDER
    merchant_account = MERCHANT
    live = False

    def __init__(self, psp: Psp, faults: Faults) -> None:
        self._psp, self._faults = psp, faults
        self._kept: dict[str, Answer[Any]] = {}

    def _does(self, key: str, effect: Callable[[], Answer[N]]) -> Answer[N]:
        """Do something once per key, and answer, if the seed lets it."""

        def once() -> Answer[N]:
            if key not in self._kept:
                self._kept[key] = effect()
            return self._kept[key]

        schedule, fate = self._psp.schedule, self._faults.fate()
        self._faults.crash(schedule, "between claim and call")
        schedule.meanwhile()
        schedule.tell(f"call {key}: {fate}")
        match fate:
            case Fate.LOST_BEFORE:
                return Unknown("the connection broke")
            case Fate.REFUSED:
                return Declined("rate_limited", "too many requests", may_retry=True)
            case Fate.LATE:
                schedule.after(60, f"late effect of {key}", once)
                return Unknown("timed out")
            case Fate.ANSWERED | Fate.LOST_AFTER:
                pass
        answer = once()
        self._faults.crash(schedule, "between effect and answer")
        schedule.meanwhile()
        return answer if fate is Fate.ANSWERED else Unknown("the answer was lost")

    def _tells(self, look: Callable[[], Answer[N]]) -> Answer[N]:
        fate = self._faults.fate()
        self._psp.schedule.meanwhile()
        return look() if fate is Fate.ANSWERED else Unknown(f"a question {fate}")

    # --- messages

    def receive(self, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> Delivery:
        return self.read(raw)

    def read(self, raw: bytes) -> Delivery:
        return self._psp.by_event[raw]

    def events_after(self, cursor: str | None) -> Answer[Page]:
        def look() -> Answer[Page]:
            start = int(cursor or 0)
            end = min(start + PAGE, len(self._psp.events))
            found = tuple(self._psp.events[start:end])
            return Accepted(Page(found, str(end), end < len(self._psp.events)))

        return self._tells(look)

    def balance_lines(
        self, *, settlement: str | None = None, created_after: datetime | None = None
    ) -> Answer[tuple[BalanceLine, ...]]:
        assert settlement is not None, "nobody asks for all lines"
        return self._tells(lambda: Accepted(self._psp.settlements[settlement].lines))

    # --- calls that do something

    def create_payment(
        self, *, deposit: UUID, amount: Money, idempotency_key: str, capture: bool = True
    ) -> Answer[PaymentNotice]:
        return self._does(
            idempotency_key,
            lambda: Accepted(self._psp.open_payment(deposit, amount).notice(), "token"),
        )

    def capture_payment(
        self, payment: str, *, amount: Money, idempotency_key: str
    ) -> Answer[PaymentNotice]:
        return Declined("payment_unexpected_state", "captured as it is paid")

    def cancel_payment(self, payment: str, *, idempotency_key: str) -> Answer[PaymentNotice]:
        return Declined("payment_unexpected_state", "its client decides")

    def refund(
        self, payment: str, *, amount: Money, payout: UUID, idempotency_key: str
    ) -> Answer[RefundNotice]:
        def effect() -> Answer[RefundNotice]:
            charged = self._psp.payments[payment]
            if amount.minor > self._psp.left_of(charged):
                return Declined("amount_too_large", "the charge takes no such refund")
            return Accepted(self._psp.refund(charged, amount, payout).notice())

        return self._does(idempotency_key, effect)

    def verify_recipient(
        self, recipient: Recipient, *, idempotency_key: str
    ) -> Answer[Verification]:
        is_theirs = recipient.reference != STRANGER
        result = MatchResult.MATCH if is_theirs else MatchResult.NO_MATCH
        said = Verification(reference=f"v-{idempotency_key}", result=result, raw_result=result)
        return self._tells(lambda: Accepted(said))

    def pay_out(
        self,
        recipient: Recipient,
        *,
        amount: Money,
        payout: UUID,
        verification: str | None,
        idempotency_key: str,
    ) -> Answer[PayoutNotice]:
        assert recipient.reference != STRANGER, "paid to a stranger"
        return self._does(
            idempotency_key, lambda: Accepted(self._psp.send_out(payout, amount).notice())
        )

    # --- questions

    def retrieve_payment(self, reference: str) -> Answer[PaymentNotice]:
        return self._tells(lambda: Accepted(self._psp.payments[reference].notice()))

    def retrieve_refund(self, reference: str) -> Answer[RefundNotice]:
        return self._tells(lambda: Accepted(self._psp.refunds[reference].notice()))

    def retrieve_payout(self, reference: str) -> Answer[PayoutNotice]:
        return self._tells(lambda: Accepted(self._psp.outbounds[reference].notice()))

    def retrieve_dispute(self, reference: str) -> Answer[DisputeNotice]:
        return self._tells(lambda: Accepted(self._psp.disputes[reference].notice()))

    def retrieve_settlement(self, reference: str) -> Answer[SettlementNotice]:
        return self._tells(lambda: Accepted(self._psp.settlements[reference].notice()))

    def find_payment(
        self, deposit: UUID, *, created_after: datetime
    ) -> Answer[PaymentNotice | None]:
        def look() -> Answer[PaymentNotice | None]:
            found = (p for p in self._psp.payments.values() if p.deposit == deposit)
            return Accepted(next((payment.notice() for payment in found), None))

        return self._tells(look)

    def find_refund(self, payout: UUID, *, payment: str) -> Answer[RefundNotice | None]:
        def look() -> Answer[RefundNotice | None]:
            found = (r for r in self._psp.refunds.values() if r.payout == payout)
            return Accepted(next((refund.notice() for refund in found), None))

        return self._tells(look)

    def find_payout(self, payout: UUID, *, created_after: datetime) -> Answer[PayoutNotice | None]:
        def look() -> Answer[PayoutNotice | None]:
            found = (o for o in self._psp.outbounds.values() if o.payout == payout)
            return Accepted(next((outbound.notice() for outbound in found), None))

        return self._tells(look)
