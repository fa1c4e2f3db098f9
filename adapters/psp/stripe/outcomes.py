"""What came of a call to Stripe: taken, certainly without effect, or unknown. Never a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import stripe

from adapters.psp.stripe.wire import NEVER_SENT
from adapters.secrets.port import SecretsError
from ledger.errors import InvalidInput
from payments.ports import Accepted, Answer, Declined, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

N = TypeVar("N")

DETAIL_MAX: Final = 200
_MAY_RETRY: Final = frozenset(
    {
        "balance_insufficient",
        "fx_quote_needs_refresh",
        "insufficient_funds",
        "verification_attempt_failed",
        "verification_expired",
    }
)
"""Refusals that time, money or a fresh verification can lift."""


def ask(call: Callable[[], N]) -> Answer[N]:
    """Make a call and say what came of it."""
    try:
        return Accepted(call())
    except stripe.StripeError as error:
        return _outcome(error)
    except InvalidInput as refusal:
        # The provider did answer: whatever it did, it is not undone by our not reading it.
        return Unknown(f"the answer cannot be read: {refusal.detail}"[:DETAIL_MAX])
    except RecursionError:
        # The SDK follows an answer as deep as it goes, before our own reader sees it.
        return Unknown("the answer cannot be read: it nests too deep")


def about(notice: N, **asked: object) -> N:
    """Hold that an answer is about what was asked: another one's is read by nobody.

    Raises:
        InvalidInput: it is about something else.
    """
    for name, value in asked.items():
        if getattr(notice, name) != value:
            raise InvalidInput(f"the answer is about another {name}", code="provider_facts")
    return notice


def _outcome(error: stripe.StripeError) -> Declined | Unknown:
    """Judge a failure by what it proves.

    A conflict means that the same key is in use this moment; a key used with other contents means
    that something else was done under it; a stored 5xx may stand for a finished request. None of
    them proves that nothing happened.
    """
    detail = (error.user_message or type(error).__name__)[:DETAIL_MAX]
    if isinstance(error, stripe.APIConnectionError):
        if isinstance(error.__cause__, (*NEVER_SENT, SecretsError)):
            return Declined("unreachable", detail, may_retry=True)
        return Unknown(f"no answer: {detail}"[:DETAIL_MAX])
    if isinstance(error, stripe.IdempotencyError):
        return Unknown(f"the key was used for something else: {detail}"[:DETAIL_MAX])
    match error.http_status:
        case 429:
            return Declined("rate_limited", detail, may_retry=True)
        case 401 | 403:
            return Declined("not_authorised", detail, may_retry=True)
        case 404:
            return Declined("not_found", detail)
        case 400 | 402:
            code = _code(error)
            return Declined(code, detail, may_retry=code in _MAY_RETRY)
        case status:
            return Unknown(f"answered {status}: {detail}"[:DETAIL_MAX])


def _code(error: stripe.StripeError) -> str:
    """The most telling word of the error: why the card was declined, else its code, else type."""
    body = cast("Any", error.json_body)
    found = body.get("error") if isinstance(body, dict) else None
    if isinstance(found, dict):
        for name in ("decline_code", "code", "type"):
            value = found.get(name)
            if isinstance(value, str) and value:
                return value[:DETAIL_MAX]
    return "declined"
