"""The HTTP under the SDK: bounded in time and size, no redirects, and honest about what failed.

The SDK's own client for this library warns with every call and follows the environment's proxies
even to loopback. This one keeps the cause of a failure, so that "never sent" can be told from
"no answer".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal
from urllib.parse import urlsplit

import httpx
import stripe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
CONNECTIONS_MAX: Final = 32
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}

NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures after which the provider cannot have seen the request."""

_failure: Callable[[str], Exception] = stripe.APIConnectionError


class Wire(stripe.HTTPClient):
    """Sends the SDK's requests over kept-alive connections, from any number of threads."""

    name: ClassVar[Literal["httpx"]] = "httpx"

    def __init__(self, address: str, *, timeout_s: float) -> None:
        """Open no connection yet. An address that is not loopback must be https, and is verified.

        Args:
            address: scheme and host, e.g. `https://api.stripe.com`.
            timeout_s: for connecting, and for each silence while an answer comes.
        """
        super().__init__()
        host = urlsplit(address)
        near = host.hostname in _LOOPBACK
        assert host.scheme == "https" or near, f"{address} is neither loopback nor https"
        self._http = httpx.Client(
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=not near,
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
        return body.decode("utf-8", "replace"), answer.status_code, answer.headers

    def close(self) -> None:
        """Close what connections are kept."""
        self._http.close()
