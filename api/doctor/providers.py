"""Providers and the token issuer as the doctor sees them, by harmless reads only.

What a key may *write* cannot be found out without writing, and is said to be unknown.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import stripe

from adapters.psp.stripe.client import StripeApi
from adapters.secrets.port import SecretsError
from adapters.transport import is_safe_address
from api.doctor.check import Check, bad, good, guarded
from api.doctor.database import skew
from api.house.secret_sources import api_key
from api.identity.issuer import fetched
from api.identity.jwks import BadKeys, parsed_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.outgoing import Outgoing
    from adapters.secrets.keeper import Keeper
    from api.house.settings import MerchantSettings, Settings

NEEDED: Final = (
    "/v1/payment_intents",
    "/v1/refunds",
    "/v1/disputes",
    "/v1/payouts",
    "/v1/balance_transactions",
    "/v1/events",
)
NEEDED_TO_PAY_OUT: Final = ("/v2/money_management/outbound_payments", "/v2/core/events")
"""Asked for only where a financial account is named."""
BEYOND: Final = ("/v1/customers", "/v1/webhook_endpoints")
"""Lists that we never read: whoever may is wider than it need be."""
_SECOND_S: Final = 1.0
"""The resolution of the `Date` header."""
_UNKNOWN: Final = "what it may write was not tried"


def look_at_providers(settings: Settings, secrets: Keeper, outgoing: Outgoing) -> Iterator[Check]:
    """Ask every provider for one object of each list."""
    for merchant in settings.merchants:
        name = f"provider: {merchant.provider}/{merchant.name}"

        def look(name: str = name, merchant: MerchantSettings = merchant) -> Iterator[Check]:
            return _merchant(name, merchant, secrets, outgoing)

        todo = "see that its key is there and that its host is reached (docs/integrations)"
        yield from guarded(name, look, SecretsError, todo=todo)


def _merchant(
    name: str, merchant: MerchantSettings, secrets: Keeper, outgoing: Outgoing
) -> Iterator[Check]:
    key = api_key(secrets, merchant.api_key_at)
    yield from _kind_of_key(name, key(), live=merchant.live)
    api = StripeApi(
        key,
        outgoing=outgoing,
        account=merchant.name,
        address=merchant.address,
        timeout_s=merchant.timeout_s,
    )
    paid_out = NEEDED_TO_PAY_OUT if merchant.financial_account else ()
    with contextlib.closing(api):
        before = datetime.now(UTC)
        asked = {path: _ask(api, path) for path in (*NEEDED, *paid_out, *BEYOND)}
        after = datetime.now(UTC)
    missing = [path for path in (*NEEDED, *paid_out) if asked[path] is None]
    beyond = [path for path in BEYOND if asked[path] is not None]
    if missing:
        todo = "give the restricted key these permissions to read"
        yield bad(f"{name}: rights", f"missing: GET {', '.join(missing)}", todo)
    if beyond:
        todo = "make a restricted key without them"
        yield bad(f"{name}: rights", f"beyond need: GET {', '.join(beyond)}", todo)
    if not missing and not beyond:
        yield good(f"{name}: rights", f"reads what we read, and nothing else; {_UNKNOWN}")
    told = [parsedate_to_datetime(date) for date in asked.values() if date]
    if told:
        yield skew(f"{name}: clock", told[-1], before, after, _SECOND_S)


def _ask(api: StripeApi, path: str) -> str | None:
    """Ask for one object; None where we may not, or where Stripe would not say whether we may."""
    try:
        return api.look(path)
    except stripe.PermissionError:
        return None
    except stripe.InvalidRequestError:
        # No such list to this account: nothing that we could be let into.
        return None


def _kind_of_key(name: str, key: str, *, live: bool) -> Iterator[Check]:
    mode = "live" if live else "test"
    if f"_{mode}_" not in key[:8]:
        yield bad(f"{name}: key", f"it is no key of the {mode} mode", "exchange it, or say `live`")
    if key.startswith("rk_"):
        yield good(f"{name}: key", "a restricted one")
    else:
        yield bad(
            f"{name}: key",
            "beyond need: a secret key may do everything",
            "make a restricted key with the permissions of docs/integrations/stripe.md",
        )


def look_at_issuer(settings: Settings) -> Iterator[Check]:
    """Fetch the keys that tokens are verified by."""
    if settings.jwks is None:
        return iter(())
    return guarded(
        "issuer: keys",
        lambda: _keys(settings),
        BadKeys,
        OSError,
        todo="see that `jwks` leads to the issuer's keys, and that its host is reached",
    )


def _keys(settings: Settings) -> Iterator[Check]:
    said = settings.jwks
    if isinstance(said, Path):
        raw = said.read_bytes()
    else:
        assert said is not None, "whoever asks has looked"
        assert is_safe_address(said), "settings refuse other addresses"
        raw = asyncio.run(fetched(said, settings.internal_networks))
    yield good("issuer: keys", f"{len(parsed_keys(raw))} of them")
