"""Stripe's API through its SDK, in Stripe's own words: parameters in, its JSON objects out.

Every call is sent once, with a key of ours, and never repeated here: what to do about an unknown
outcome is not this module's to decide. Answers are read by our own strict reader.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import stripe

from adapters.outgoing import Credential
from adapters.psp.stripe import fields
from adapters.psp.stripe.fields import Json
from adapters.psp.stripe.wire import ANSWER_BYTES_MAX, Wire
from adapters.secrets.port import SecretsError
from adapters.strict_json import loads_strict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.outgoing import Outgoing

ADDRESS: Final = "https://api.stripe.com"
PAGE: Final = 100
_CHARGE_AND_LINE: Final = ["latest_charge.balance_transaction"]
_REFUND_LINES: Final = ["balance_transaction", "failure_balance_transaction"]

_failure: Callable[[str], Exception] = stripe.APIConnectionError

# One long-lived process has no business telling the provider about its requests' durations.
stripe.enable_telemetry = False


class StripeApi:
    """The calls that we make, one method each.

    Raises:
        stripe.StripeError: whatever the SDK makes of the answer, or of there being none.
        InvalidInput: the answer is no JSON object that we can read.
    """

    def __init__(
        self,
        api_key: str | Callable[[], str],
        *,
        outgoing: Outgoing,
        account: str = "",
        credential: str = "api key",
        address: str = ADDRESS,
        timeout_s: float = 10.0,
    ) -> None:
        """Make a client. No call is made, and no connection opened, before the first request.

        Args:
            api_key: the key, or what gives the key of now.
            outgoing: hears of every exchange before its answer is used.
            account: our name of the account there.
            credential: the name of the key, as the record of a call tells it.
        """
        named = Credential("stripe", account, credential)
        self._wire = Wire(address, timeout_s=timeout_s, credential=named, outgoing=outgoing)
        self._address = address
        self._api_key = partial(str, api_key) if isinstance(api_key, str) else api_key
        self._made: tuple[str, stripe.StripeClient] | None = None

    @property
    def _sdk(self) -> stripe.StripeClient:
        """The SDK with the key of now; the connections outlive a rotation."""
        try:
            key = self._api_key()
        except SecretsError as error:
            raise _failure("there is no key to call with") from error
        made = self._made
        if made is None or made[0] != key:
            where = ("api", "connect", "files", "meter_events")
            client = stripe.StripeClient(
                key,
                base_addresses=_any(dict.fromkeys(where, self._address)),
                http_client=self._wire,
                max_network_retries=0,
            )
            self._made = made = key, client
        return made[1]

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def create_intent(self, params: Json, key: str) -> Json:
        return _read(self._sdk.v1.payment_intents.create(_any(params), {"idempotency_key": key}))

    def capture_intent(self, intent: str, params: Json, key: str) -> Json:
        service = self._sdk.v1.payment_intents
        params = {**params, "expand": _CHARGE_AND_LINE}
        return _read(service.capture(intent, _any(params), {"idempotency_key": key}))

    def cancel_intent(self, intent: str, key: str) -> Json:
        service = self._sdk.v1.payment_intents
        return _read(service.cancel(intent, options={"idempotency_key": key}))

    def intent(self, intent: str) -> Json:
        return _read(self._sdk.v1.payment_intents.retrieve(intent, {"expand": _CHARGE_AND_LINE}))

    def intents(self, params: Json) -> Iterator[Json]:
        return self._pages("/v1/payment_intents", params)

    def create_refund(self, params: Json, key: str) -> Json:
        params = {**params, "expand": _REFUND_LINES}
        return _read(self._sdk.v1.refunds.create(_any(params), {"idempotency_key": key}))

    def refund(self, refund: str) -> Json:
        return _read(self._sdk.v1.refunds.retrieve(refund, {"expand": _REFUND_LINES}))

    def refunds(self, params: Json) -> Iterator[Json]:
        return self._pages("/v1/refunds", params)

    def dispute(self, dispute: str) -> Json:
        return _read(self._sdk.v1.disputes.retrieve(dispute))

    def settlement(self, payout: str) -> Json:
        return _read(self._sdk.v1.payouts.retrieve(payout))

    def balance_transactions(self, params: Json) -> Iterator[Json]:
        return self._pages("/v1/balance_transactions", params)

    def event_page(self, params: Json) -> tuple[list[Json], bool]:
        """Return one page of v1 events, newest first, and whether there are more beyond it."""
        page = self._list("/v1/events", params)
        return fields.items(page, "data"), page.get("has_more") is True

    def look(self, path: str) -> str:
        """Ask for one object of a list, to see whether we may; returns the answer's `Date`."""
        answer = self._sdk.raw_request("get", path, limit=1)
        return str({name.lower(): each for name, each in answer.headers.items()}.get("date", ""))

    def create_outbound(self, params: Json, key: str) -> Json:
        service = self._sdk.v2.money_management.outbound_payments
        return _read(service.create(_any(params), {"idempotency_key": key}))

    def outbound(self, payment: str) -> Json:
        return _read(self._sdk.v2.money_management.outbound_payments.retrieve(payment))

    def outbounds(self, params: Json) -> Iterator[Json]:
        return self._thin_pages("/v2/money_management/outbound_payments", params)

    def create_verification(self, params: Json, key: str) -> Json:
        service = self._sdk.v2.money_management.recipient_verifications
        return _read(service.create(_any(params), {"idempotency_key": key}))

    def thin_events(self, params: Json) -> Iterator[Json]:
        return self._thin_pages("/v2/core/events", params)

    def _pages(self, path: str, params: Json) -> Iterator[Json]:
        while True:
            page = self._list(path, params)
            found = fields.items(page, "data")
            yield from found
            if page.get("has_more") is not True or not found:
                return
            params = {**params, "starting_after": fields.reference(found[-1])}

    def _thin_pages(self, path: str, params: Json) -> Iterator[Json]:
        page = self._list(path, params)
        while True:
            yield from fields.items(page, "data")
            following = page.get("next_page_url")
            # Only a path on the same host: a page may not send our key elsewhere.
            if not isinstance(following, str) or not following.startswith("/v2/"):
                return
            page = self._get(following)

    def _list(self, path: str, params: Json) -> Json:
        """Read one page, raw: typed objects of a hundred events would cost six times the rest."""
        return self._get(path, limit=PAGE, **params)

    def _get(self, path: str, **params: object) -> Json:
        return _parse(cast("str", self._sdk.raw_request("get", path, **params).body))


def _read(answer: stripe.StripeObject) -> Json:
    """Read the answer's own bytes: the SDK's reader makes floats of rates."""
    assert answer.last_response is not None, "the SDK keeps the response of every request"
    return _parse(cast("str", cast("Any", answer.last_response).body))


def _parse(body: str) -> Json:
    return fields.read_object(loads_strict(body.encode(), bytes_max=ANSWER_BYTES_MAX))


def _any(params: Any) -> Any:
    """Pass parameters on: the SDK types each call's as a dict of its own."""
    return params
