"""Errors in Stripe's shape."""

from __future__ import annotations

from typing import Any


class StripeRefusal(Exception):
    """An answer other than 200. `started` tells that the endpoint had begun: it is then stored."""

    def __init__(self, status: int, kind: str, message: str, *, started: bool, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.started = started
        self.body: dict[str, Any] = {"error": {"type": kind, "message": message, **more}}


def invalid(message: str, *, param: str = "", code: str = "parameter_invalid") -> StripeRefusal:
    """The parameters failed validation: nothing had begun."""
    more = {"param": param} if param else {}
    return StripeRefusal(400, "invalid_request_error", message, started=False, code=code, **more)


def refused(code: str, message: str) -> StripeRefusal:
    """The request was understood and its object forbids it."""
    return StripeRefusal(400, "invalid_request_error", message, started=True, code=code)


def missing(kind: str, reference: str) -> StripeRefusal:
    """There is no such object."""
    message = f"No such {kind}: '{reference}'"
    return StripeRefusal(
        404, "invalid_request_error", message, started=False, code="resource_missing", param="id"
    )


def declined(code: str, decline_code: str) -> StripeRefusal:
    """The card's issuer said no."""
    message = "Your card was declined."
    return StripeRefusal(
        402, "card_error", message, started=True, code=code, decline_code=decline_code
    )


def cannot(kind: str, message: str, **more: str) -> StripeRefusal:
    """A v2 endpoint's typed refusal, e.g. `insufficient_funds`."""
    return StripeRefusal(400, kind, message, started=True, code=kind, **more)
