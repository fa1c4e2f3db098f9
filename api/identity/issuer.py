"""The keys of a token issuer at an address: fetched seldom, kept for a while, believed only whole.

A call never waits for more than one fetch, and a stranger's key names cannot make us ask the
issuer more often than `ASK_AGAIN_S_MIN`. While the issuer is away the last good keys serve, up to
`KEYS_STALE_S_MAX`; then nobody gets in.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

import httpx

from adapters.outbound import AsyncOutbound, Destination
from adapters.transport import is_safe_address
from api.door.problems import ApiProblem
from api.identity.jwks import JWKS_BYTES_MAX, KEYS_STALE_S_MAX, BadKeys, parsed_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jwt import PyJWK

    from adapters.outbound import Network

KEYS_AGE_S_MAX: Final = 60
"""Keys that are older are asked for again: a withdrawn key is gone a minute later."""
ASK_AGAIN_S_MIN: Final = 5
"""The issuer is asked no more often, whatever key names are sent to us."""
FETCH_S_MAX: Final = 3.0
"""How long one fetch may take in all."""

LOG: Final = logging.getLogger("counterfoil.issuer")


class KeyUrl:
    """The keys that an issuer publishes, by `kid`."""

    def __init__(
        self,
        address: str,
        *,
        internal: tuple[Network, ...] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is fetched before the first key is asked for.

        Args:
            address: the issuer's.
            internal: networks of our own that it may be in.
            monotonic: the clock that keys age by.
        """
        assert is_safe_address(address), "settings refuse other addresses"
        self._address = address
        self._internal = internal
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._keys: Mapping[str, PyJWK] = {}
        self._good_at: float | None = None
        self._asked_at: float | None = None
        self._failing = False

    async def key(self, kid: str) -> PyJWK | None:
        """Return the key of this name, if the issuer publishes it.

        Raises:
            ApiProblem: the issuer has not answered for too long (`keys_unavailable`).
        """
        flight = self._flight_for(kid)
        # While the issuer is away, whoever has a key that we know does not wait for it.
        if flight is not None and not (self._failing and kid in self._keys):
            # Shielded: a caller who leaves takes nobody's keys away.
            await asyncio.shield(asyncio.wrap_future(flight))
        if self._age() > KEYS_STALE_S_MAX:
            raise ApiProblem("keys_unavailable")
        return self._keys.get(kid)

    def _age(self) -> float:
        return float("inf") if self._good_at is None else self._monotonic() - self._good_at

    def _flight_for(self, kid: str) -> Future[None] | None:
        """Join the fetch that is under way, or begin one where it is due."""
        with self._lock:
            if self._flight is not None and not self._flight.done():
                return self._flight
            if kid in self._keys and self._age() <= KEYS_AGE_S_MAX:
                return None
            now = self._monotonic()
            if self._asked_at is not None and now - self._asked_at < ASK_AGAIN_S_MIN:
                return None
            self._asked_at = now
            self._flight = Future()
            args = (self._flight,)
            threading.Thread(target=self._fetch, args=args, name="issuer-keys", daemon=True).start()
            return self._flight

    def _fetch(self, flight: Future[None]) -> None:
        began = self._monotonic()
        try:
            keys = parsed_keys(asyncio.run(fetched(self._address, self._internal)))
        except (BadKeys, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Its text may quote what the other side sent.
            LOG.warning("the issuer's keys cannot be had: %s", type(error).__name__)
            self._failing = True
        else:
            # As old as the question: an answer that was slow is no newer for it.
            self._keys, self._good_at, self._failing = keys, began, False
        finally:
            flight.set_result(None)


async def fetched(address: str, internal: tuple[Network, ...] = ()) -> bytes:
    """Fetch a JWKS: one answer of 200, no redirect followed, never more than `JWKS_BYTES_MAX`.

    Raises:
        BadKeys: another answer, or too long.
        httpx.HTTPError: no answer.
        TimeoutError: not within `FETCH_S_MAX`.
    """
    # The environment's proxies and passwords are nobody's business here.
    async with (
        asyncio.timeout(FETCH_S_MAX),
        httpx.AsyncClient(
            transport=AsyncOutbound(Destination.of(address, internal)),
            timeout=FETCH_S_MAX,
            follow_redirects=False,
            trust_env=False,
        ) as client,
        client.stream("GET", address) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise BadKeys("the issuer answers with something else than its keys")
        raw = b""
        async for part in answer.aiter_raw():
            raw += part
            if len(raw) > JWKS_BYTES_MAX:
                raise BadKeys("the issuer's answer is too long")
    return raw
