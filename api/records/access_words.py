"""The fixed words of access records: what was done, how it ended, and which class of data it was.

A route stands here with the classes of data that its answers may hold. One that nobody has put
here is recorded as if it held all of them, and fails a test.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.identity.scopes import Row


class Action(StrEnum):
    """Whether data was only seen."""

    READ = "read"
    CHANGE = "change"


class Outcome(StrEnum):
    """How an access ended.

    `begun` is told before the work is done, because what is told afterwards can be lost.
    """

    GRANTED = "granted"
    DENIED = "denied"
    REFUSED = "refused"
    FAILED = "failed"
    BEGUN = "begun"


class Fields(StrEnum):
    """Classes of account data."""

    IDENTITY = "identity"
    VERIFICATION = "verification"
    TRADING = "trading"
    BALANCES = "balances"
    MOVEMENTS = "movements"
    PAYMENT_DETAILS = "payment details"
    DISPUTES = "disputes"
    REASONS = "reasons"
    RATES = "rates"
    ACCESS = "access records"


EVERYTHING: Final = tuple(Fields)
_PAYMENT: Final = (Fields.MOVEMENTS, Fields.PAYMENT_DETAILS)
_WITHDRAWAL: Final = (*_PAYMENT, Fields.REASONS)

OF_ROUTE: Final[Mapping[str, tuple[Fields, ...]]] = {
    "POST /webhooks/{provider}/{merchant_account}": _PAYMENT,
    "POST /v1/clients": (Fields.IDENTITY,),
    "GET /v1/clients/{client}": (Fields.IDENTITY, Fields.VERIFICATION, Fields.TRADING),
    "GET /v1/clients/{client}/wallets": (Fields.BALANCES,),
    "POST /v1/clients/{client}/activity": (Fields.IDENTITY,),
    "POST /v1/clients/{client}/freeze": (Fields.BALANCES, Fields.REASONS),
    "POST /v1/clients/{client}/unfreeze": (Fields.BALANCES, Fields.REASONS),
    "POST /v1/clients/{client}/trading-accounts": (Fields.TRADING,),
    "POST /v1/kyc/{client}": (Fields.VERIFICATION,),
    "POST /v1/deposits": _PAYMENT,
    "GET /v1/deposits": _PAYMENT,
    "GET /v1/deposits/{deposit}": _PAYMENT,
    "POST /v1/withdrawals": _PAYMENT,
    "GET /v1/withdrawals": _WITHDRAWAL,
    "GET /v1/withdrawals/{withdrawal}": _WITHDRAWAL,
    "POST /v1/withdrawals/{withdrawal}/cancel": _PAYMENT,
    "POST /v1/withdrawals/{withdrawal}/approve": _WITHDRAWAL,
    "POST /v1/conversions/quotes": (Fields.MOVEMENTS, Fields.RATES),
    "POST /v1/conversions": (Fields.MOVEMENTS, Fields.RATES),
    "GET /v1/disputes": (Fields.DISPUTES, *_PAYMENT),
    "GET /v1/disputes/{dispute}": (Fields.DISPUTES, *_PAYMENT),
    "GET /v1/balances": (Fields.BALANCES,),
    "GET /v1/statements": (Fields.BALANCES, Fields.MOVEMENTS),
    "GET /v1/trial-balance": (Fields.BALANCES,),
    "GET /v1/events": EVERYTHING,
    "POST /v1/rates": (Fields.RATES,),
    "GET /v1/reviews": (Fields.REASONS,),
    "GET /v1/access": (Fields.ACCESS,),
}


def fields_of(row: Row) -> tuple[Fields, ...]:
    """Name the classes of data behind a route."""
    return OF_ROUTE.get(f"{row.method} {row.path}", EVERYTHING)


def action_of(row: Row) -> Action:
    """Tell by the method whether a route changes anything."""
    return Action.READ if row.method == "GET" else Action.CHANGE
