"""Which keys the simulated Stripe knows, and what a restricted one may do."""

from __future__ import annotations

import re
from typing import Final

from adapters.psp.stripe.simulator.errors import StripeRefusal

ACCOUNT: Final = "acct_simulated"
RESOURCES: Final = {
    "/v1/payment_intents": "payment_intent",
    "/v1/charges": "charge",
    "/v1/refunds": "charge",
    "/v1/disputes": "dispute",
    "/v1/balance_transactions": "balance_transaction_source",
    "/v1/payouts": "payout",
    "/v1/events": "event",
    "/v1/customers": "customer",
    "/v1/webhook_endpoints": "webhook",
    "/v2/money_management/outbound_payments": "v2_outbound_payment",
    "/v2/money_management/recipient_verifications": "v2_recipient_verification",
    "/v2/core/accounts": "v2_account",
    "/v2/core/events": "v2_event",
}
"""What a path belongs to, as permissions name it: our guess where Stripe's documents do not say."""
_BEARER: Final = "Bearer "


class Guard:
    """Full test keys may do everything; a restricted one, what it was given."""

    def __init__(self) -> None:
        self._restricted: dict[str, frozenset[str]] = {}

    def restrict(self, key: str, *permissions: str) -> None:
        """Make a restricted key: `charge_read`, `payment_intent_write`; to write is to read too."""
        assert key.startswith("rk_test_"), "a restricted key of the test mode"
        implied = {each.removesuffix("_write") + "_read" for each in permissions}
        self._restricted[key] = frozenset(permissions) | implied

    def check(self, credential: str, method: str, path: str) -> None:
        """Let a call pass.

        Raises:
            StripeRefusal: 401 to a key that is none, 403 to one that may not.
        """
        key = credential.removeprefix(_BEARER)
        if credential.startswith(f"{_BEARER}sk_test_"):
            return
        held = self._restricted.get(key)
        if held is None or key == credential:
            raise StripeRefusal(
                401, "invalid_request_error", "Invalid API Key provided", started=False
            )
        found = re.match(r"/v[12](/money_management|/core)?/[a-z_]+", path)
        resource = RESOURCES.get(found[0]) if found else None
        wanted = f"{resource}_{'read' if method == 'GET' else 'write'}"
        if wanted not in held:
            message = (
                f"The provided key '{key[:8]}{'*' * 20}{key[-4:]}' does not have the required "
                f"permissions for this endpoint on account '{ACCOUNT}'. Having the "
                f"'rak_{wanted}' permission would allow this request to continue."
            )
            raise StripeRefusal(403, "invalid_request_error", message, started=False)
