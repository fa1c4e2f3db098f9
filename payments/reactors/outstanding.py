"""What is still to be done, folded from the log: a worker that starts anew knows it at once.

Nothing about outstanding work is stored elsewhere, so a crash between any two steps loses none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from ledger.facts import RatePublished, WalletUnfrozen
from ledger.ids import DepositId
from ledger.wallet import wallet
from payments import facts
from payments.facts import NoticeReceived

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.decision import Event, Fact
    from ledger.ids import ClientId, PayoutId, WithdrawalId


@dataclass(slots=True)
class Call:
    """An intent to call a provider, and how far it came.

    Attributes:
        cause: position of the intent.
        merchant: provider and merchant account.
        since: our time of the last step.
        attempts: claims so far.
        uncertain: whether the last claim has no certain answer.
        looked_up: how often a look-up said that there is no such object.
    """

    cause: int
    merchant: tuple[str, str]
    since: datetime
    attempts: int = 0
    uncertain: bool = False
    looked_up: int = 0


class Waiting(NamedTuple):
    """A withdrawal that holds money of this wallet, and the end of its patience."""

    client: ClientId
    wallet: UUID
    expires_at: datetime


@dataclass(slots=True)
class Outstanding:
    """Everything that the log says is begun and not finished."""

    notices: dict[UUID, tuple[NoticeReceived, int]] = field(default_factory=dict)
    payments: dict[DepositId, Call] = field(default_factory=dict)
    announced: dict[DepositId, Call] = field(default_factory=dict)
    unconverted: dict[DepositId, int] = field(default_factory=dict)
    rate_at: int = 0
    held: dict[WithdrawalId, Waiting] = field(default_factory=dict)
    cleared: dict[WithdrawalId, int] = field(default_factory=dict)
    payouts: dict[PayoutId, Call] = field(default_factory=dict)
    sent: dict[PayoutId, Call] = field(default_factory=dict)
    returned: dict[PayoutId, ClientId] = field(default_factory=dict)
    rejudge: dict[ClientId, int] = field(default_factory=dict)
    cursors: dict[tuple[str, str], str] = field(default_factory=dict)
    _parked: dict[UUID, list[UUID]] = field(default_factory=dict)
    _waiting: dict[UUID, tuple[NoticeReceived, int]] = field(default_factory=dict)
    _clients: dict[PayoutId, ClientId] = field(default_factory=dict)
    _foreign: set[DepositId] = field(default_factory=set)

    def see(self, event: Event) -> None:
        """Fold one event."""
        fact = event.fact
        if fact.NAME.startswith("compliance."):
            self._see_compliance(fact, event.position)
        elif isinstance(fact, WalletUnfrozen):
            self._see_unfrozen(event)
        elif isinstance(fact, RatePublished):
            self.rate_at = event.position
        elif not fact.NAME.startswith("payments.") or self._see_notice(event):
            return
        elif not self._see_deposit(event) and not self._see_withdrawal(event):
            self._see_payout(event)

    def _see_compliance(self, fact: Fact, position: int) -> None:
        client: ClientId | None = getattr(fact, "client", None)
        if client is not None:
            self.rejudge[client] = position

    def _see_unfrozen(self, event: Event) -> None:
        # The fact names no client: it stands on the wallet's own stream.
        for waiting in self.held.values():
            if waiting.wallet == event.stream_id:
                self.rejudge[waiting.client] = event.position

    def _see_notice(self, event: Event) -> bool:
        match event.fact:
            case facts.NoticeReceived() as fact:
                self.notices[fact.notice] = (fact, event.position)
            case facts.NoticeApplied() as fact:
                self.notices.pop(fact.notice, None)
            case facts.NoticeParked() as fact:
                self._parked.setdefault(event.stream_id, []).append(fact.notice)
                if fact.notice in self.notices:
                    self._waiting[fact.notice] = self.notices[fact.notice]
            case facts.PaymentLinked() | facts.RefundLinked():
                for notice in self._parked.pop(event.stream_id, []):
                    self.notices[notice] = self._waiting[notice]
            case facts.EventsRead() as fact:
                self.cursors[fact.provider, fact.merchant_account] = fact.cursor
            case _:
                return False
        return True

    @property
    def parked(self) -> int:
        """How many notices wait for a payment that is not known."""
        return sum(len(notices) for notices in self._parked.values())

    def _see_deposit(self, event: Event) -> bool:
        match event.fact:
            case facts.DepositInitiated() as fact:
                call = Call(
                    event.position, (fact.provider, fact.merchant_account), event.recorded_at
                )
                self.payments[fact.deposit] = call
                self.announced[fact.deposit] = call
                if fact.amount.currency != fact.into:
                    self._foreign.add(fact.deposit)
            case facts.PaymentClaimed() as fact:
                pending = self.payments.get(_deposit(event))
                self._claimed(pending, fact.attempt, event.recorded_at)
            case facts.PaymentSubmitted():
                self.payments.pop(_deposit(event), None)
            case facts.DepositFailed() as fact:
                self.payments.pop(fact.deposit, None)
            case facts.DepositConfirmed() as fact:
                self._drop_deposit(fact.deposit)
                if fact.conversion is None and fact.deposit in self._foreign:
                    self.unconverted[fact.deposit] = event.position
            case facts.DepositSuspended() as fact:
                self._drop_deposit(fact.deposit)
            case facts.DepositConverted() as fact:
                self.unconverted.pop(fact.deposit, None)
                self._foreign.discard(fact.deposit)
            case _:
                return False
        return True

    def _drop_deposit(self, deposit: DepositId) -> None:
        self.payments.pop(deposit, None)
        self.announced.pop(deposit, None)

    @staticmethod
    def _claimed(call: Call | None, attempt: int, at: datetime) -> None:
        if call is not None:
            # Until an answer stands in the log, a claim is uncertain: its owner may have died.
            call.attempts, call.uncertain, call.looked_up, call.since = attempt, True, 0, at

    def _see_withdrawal(self, event: Event) -> bool:
        match event.fact:
            case facts.WithdrawalRequested() as fact:
                purse = wallet(fact.entity, fact.client, fact.amount.currency)
                self.held[fact.withdrawal] = Waiting(fact.client, purse.id, fact.expires_at)
            case facts.WithdrawalHeld() as fact:
                self.cleared.pop(fact.withdrawal, None)
            case facts.WithdrawalCleared() as fact:
                self.cleared[fact.withdrawal] = event.position
            case (
                facts.WithdrawalCancelled()
                | facts.WithdrawalRejected()
                | facts.WithdrawalExpired()
                | facts.WithdrawalSubmitted()
            ) as fact:
                self.held.pop(fact.withdrawal, None)
                self.cleared.pop(fact.withdrawal, None)
            case facts.WithdrawalApproved() as fact:
                if fact.withdrawal in self.held:
                    self.rejudge[self.held[fact.withdrawal].client] = event.position
            case _:
                return False
        return True

    def _see_payout(self, event: Event) -> None:
        match event.fact:
            case facts.PayoutSubmitted() as fact:
                merchant = (fact.route.provider, fact.route.merchant_account)
                self.payouts[fact.payout] = Call(event.position, merchant, event.recorded_at)
                self._clients[fact.payout] = fact.client
            case facts.PayoutClaimed() as fact:
                self._claimed(self.payouts.get(fact.payout), fact.attempt, event.recorded_at)
            case facts.PayoutSent() as fact:
                self._sent(fact.payout, event.recorded_at)
            case facts.PayoutSettled() as fact:
                self.payouts.pop(fact.payout, None)
                self.sent.pop(fact.payout, None)
            case facts.PayoutFailed() as fact:
                self._ended(fact.payout)
            case facts.PayoutReturned() as fact:
                self._ended(fact.payout)
            case facts.ReturnCredited() as fact:
                self.returned.pop(fact.payout, None)
            case _:
                pass

    def _sent(self, payout: PayoutId, at: datetime) -> None:
        if (pending := self.payouts.pop(payout, None)) is not None:
            pending.since = at
            self.sent[payout] = pending

    def _ended(self, payout: PayoutId) -> None:
        self.payouts.pop(payout, None)
        self.sent.pop(payout, None)
        self.returned[payout] = self._clients[payout]


def _deposit(event: Event) -> DepositId:
    # Claims and answers stand on the deposit's own stream.
    return DepositId(event.stream_id)
