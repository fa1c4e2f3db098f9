"""The HTTP under the SDK: bounded in time and size, no redirects, and honest about what failed.

The SDK's own client for this library warns with every call and follows the environment's proxies
even to loopback. This one keeps the cause of a failure, so that "never sent" can be told from
"no answer".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal

import httpx
import stripe

from adapters.outbound import Destination, Outbound
from adapters.outgoing import Observed
from adapters.psp.stripe import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapters.outgoing import Credential, Outgoing

ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024

NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures after which the provider cannot have seen the request."""

_failure: Callable[[str], Exception] = stripe.APIConnectionError


class Wire(stripe.HTTPClient):
    """Sends the SDK's requests over kept-alive connections, from any number of threads."""

    name: ClassVar[Literal["httpx"]] = "httpx"

    def __init__(
        self, address: str, *, timeout_s: float, credential: Credential, outgoing: Outgoing
    ) -> None:
        """Open no connection yet, and none to anywhere but this address (`adapters/outbound.py`).

        Args:
            address: scheme and host, e.g. `https://api.stripe.com`.
            timeout_s: for connecting, and for each silence while an answer comes.
            credential: as whom, by name.
            outgoing: hears of every exchange before its answer is used.
        """
        super().__init__()
        self._http = Observed(
            credential,
            outgoing,
            transport=Outbound(Destination.of(address), reply_bytes_max=ANSWER_BYTES_MAX),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: str | bytes | None = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send one request, once."""
        try:
            with self._http.stream(method, url, headers=headers, content=post_data) as answer:
                body = bytearray()
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        raise _failure("the answer is too long")
        except httpx.HTTPError as error:
            raise _failure(type(error).__name__) from error
        if answer.is_success and not body.lstrip().startswith(b"{"):
            # The SDK would stumble over it, and its stumbling tells nobody what happened.
            raise fields.bad("answer")
        return body.decode("utf-8", "replace"), answer.status_code, answer.headers

    def close(self) -> None:
        """Close what connections are kept."""
        self._http.close()
