"""The door for Stripe's webhooks: raw bytes are verified before anything is read out of them.

`Stripe-Signature: t=<unix>,v1=<hex>[,v1=…]`, v1 = HMAC-SHA256(secret, "<t>.<body>"). The SDK's own
`construct_event` takes timestamps years ahead and lets strange exceptions out of hostile bodies.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe.events import delivery
from adapters.strict_json import BYTES_MAX, loads_strict
from ledger.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from adapters.psp.stripe.translate import Translator
    from payments.notices import Delivery

WINDOW_S: Final = 300
"""How far the signature's time may lie from ours, on either side."""
SECRETS_MAX: Final = 2
HEADER: Final = "stripe-signature"
_HEADER_MAX: Final = 4_096
_SIGNATURES_MAX: Final = 16
_TIME: Final = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Webhook:
    """One endpoint: its merchant account and mode, and its secrets.

    Attributes:
        translator: what reads the events.
        secrets: one, or two while a secret is being rolled; or what gives those of now.
    """

    translator: Translator
    secrets: tuple[str, ...] | Callable[[], tuple[str, ...]] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse to stand open."""
        self._active()

    def _active(self) -> tuple[str, ...]:
        """The secrets of now. None, an empty one, or one too many is a wrong setting."""
        active = self.secrets() if callable(self.secrets) else self.secrets
        assert 1 <= len(active) <= SECRETS_MAX, "one secret, or two while it is rolled"
        assert all(secret.strip() for secret in active), "an empty secret signs anything"
        return active

    def receive(self, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> Delivery:
        """Verify and read one pushed message. Header names are looked up in lower case.

        Raises:
            InvalidInput: `body_too_large`, `signature_missing`, `signature_malformed`,
                `signature_expired`, `signature_invalid`, the codes of `loads_strict`,
                `not_an_event` or `wrong_mode`. Nothing else.
        """
        if len(raw) > BYTES_MAX:
            raise InvalidInput("the body is too long", code="body_too_large")
        verify(raw, headers.get(HEADER), self._active(), now=now)
        return delivery(loads_strict(raw), raw=raw, translator=self.translator)


def verify(raw: bytes, header: str | None, secrets: tuple[str, ...], *, now: datetime) -> None:
    """Hold that one of the secrets signed these bytes, within the window around now.

    Raises:
        InvalidInput: `signature_missing`, `signature_malformed`, `signature_expired` (on either
            side of the window) or `signature_invalid`.
    """
    if not header:
        raise InvalidInput("the message is not signed", code="signature_missing")
    time, signatures = _parse(header)
    if abs(int(now.timestamp()) - int(time)) > WINDOW_S:
        raise InvalidInput("signed at another time than now", code="signature_expired")
    signed = False
    for secret in secrets:
        wanted = sign(raw, secret, time)
        for signature in signatures:
            # No early exit: the time taken tells nothing of which one fits.
            signed |= hmac.compare_digest(wanted, signature)
    if not signed:
        raise InvalidInput("no signature fits", code="signature_invalid")


def sign(raw: bytes, secret: str, time: str) -> str:
    """Compute the `v1` signature of a body as signed at `time`, seconds since 1970."""
    return hmac.new(secret.encode(), f"{time}.".encode() + raw, hashlib.sha256).hexdigest()


def _parse(header: str) -> tuple[str, list[str]]:
    times: list[str] = []
    signatures: list[str] = []
    if len(header) <= _HEADER_MAX:
        for part in header.split(","):
            scheme, _, value = part.strip().partition("=")
            if scheme == "t":
                times.append(value)
            elif scheme == "v1" and _SIGNATURE.fullmatch(value):
                signatures.append(value)
    one_time = len(times) == 1 and _TIME.fullmatch(times[0])
    if not one_time or not 1 <= len(signatures) <= _SIGNATURES_MAX:
        raise InvalidInput("the signature cannot be read", code="signature_malformed")
    return times[0], signatures
