"""Our own calls outward as access records: for whose work, as whom, what, and its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.house.traces import ended
from api.house.trail import tell_called
from api.records.access_log import ACTING
from api.records.access_record import AccessRecord
from api.records.access_words import Action, Fields, Outcome
from ledger.access import outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from adapters.outgoing import Exchange
    from api.records.access_log import AccessLog

OF_SYSTEM: Final = {"stripe": (Fields.MOVEMENTS, Fields.PAYMENT_DETAILS, Fields.DISPUTES)}
"""Which classes of data another system may tell us; one that is not here may tell all of them."""
TARGET_CHARS_MAX: Final = 200


class Calls:
    """Records every exchange before its answer is used."""

    def __init__(self, log: AccessLog, now: Callable[[], datetime]) -> None:
        self._log, self._now = log, now

    def heard(self, exchange: Exchange) -> None:
        """Record it durably.

        Raises:
            Refusal, OutcomeUnknown, LogUnreadable: it is not; the answer must not be used.
        """
        tell_called(exchange)
        ended("call", exchange.seconds, system=exchange.credential.system, status=exchange.status)
        self._log.write_now(record_of(exchange, self._now()))


def record_of(exchange: Exchange, at: datetime) -> AccessRecord:
    """Write an exchange as an access record."""
    acting, credential = ACTING.get(), exchange.credential
    method, _, path = exchange.operation.partition(" ")
    clean = "".join(c if c.isprintable() else "?" for c in path)
    return AccessRecord(
        at=at,
        subject=acting.subject,
        action=Action.CHANGE if exchange.changes else Action.READ,
        outcome=Outcome(outcome_of(exchange.status)) if exchange.status else Outcome.FAILED,
        did=(f"called {credential.system}",),
        fields=OF_SYSTEM.get(credential.system, tuple(Fields)),
        request_id=acting.request_id,
        method=method,
        route=f"{credential.system}/{credential.account}",
        target=clean[:TARGET_CHARS_MAX],
        status=exchange.status,
        reason=exchange.failure,
        count=exchange.count,
        credential=credential.name,
        asked_sha256=exchange.asked_sha256,
        answer_sha256=exchange.answer_sha256,
    )
