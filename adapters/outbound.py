"""Going out: to the one place that was configured, at an address that may be reached, and no other.

A name is resolved once, every address that it has is judged, and the connection goes to the one
that was judged; TLS still asks for the name. So no name, number in disguise or later answer of a
resolver leads a call of ours into this machine or the network around it (OWASP API7, SSRF).
Proxies of the environment are not used: behind one, nobody could say where a call ends.
"""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final, Self

import httpcore
import httpx

from adapters.transport import is_loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

REPLY_BYTES_MAX: Final = 64 * 1024
"""An answer is cut off here, where its reader names no other size."""
REPLY_S_MAX: Final = 60.0
"""An answer that is still coming is cut off here, however steadily it comes."""
CONNECTIONS_MAX: Final = 32

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64: Final = ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ip_network("::/96")
_LOW_32: Final = 2**32 - 1
_PORTS: Final = {"http": 80, "https": 443}


class OutboundRefused(httpx.ConnectError):
    """A call that must not go out. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The one place that a client may call.

    Attributes:
        scheme: `https`, or `http` on loopback.
        host: as it was configured.
        port: as it was configured, or the scheme's.
        internal: networks of our own that it may be in.
    """

    scheme: str
    host: str
    port: int
    internal: tuple[Network, ...] = ()

    @classmethod
    def of(cls, address: str, internal: Iterable[Network] = ()) -> Self:
        """Read a configured address.

        Raises:
            OutboundRefused: it names a password, or travels in the clear beyond this machine.
        """
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL:
            raise OutboundRefused("no address that a call could go to") from None
        port = url.port or _PORTS.get(url.scheme, 0)
        found = cls(url.scheme, url.host, port, tuple(internal))
        if not url.host or not port or url.userinfo:
            raise OutboundRefused("an address is a scheme, a host and no password")
        if url.scheme != "https" and not (url.scheme == "http" and found.is_near):
            raise OutboundRefused("only loopback is reached without TLS")
        return found

    @property
    def is_near(self) -> bool:
        """Tell whether loopback was configured in so many words: then it is all that is reached."""
        return is_loopback(self.host)

    def check(self, url: httpx.URL) -> None:
        """Hold that a call goes where it was configured to go.

        Raises:
            OutboundRefused: it goes elsewhere.
        """
        port = url.port or _PORTS.get(url.scheme, 0)
        if (url.scheme, url.host, port) != (self.scheme, self.host, self.port) or url.userinfo:
            raise OutboundRefused("another place than the one that was configured")

    def judged(self, found: Iterable[str]) -> str:
        """Return the address to connect to, out of all that the name has.

        Raises:
            OutboundRefused: there is none, or one of them may not be reached.
        """
        addresses = [ip_address(text.partition("%")[0]) for text in found]
        if not addresses:
            raise OutboundRefused("the name has no address")
        # One bad address among good ones is an answer made for us: nothing of it is used.
        if not all(map(self._may_reach, addresses)):
            raise OutboundRefused("the name leads where no call of ours may go")
        return str(addresses[0])

    def _may_reach(self, address: Address) -> bool:
        if self.is_near:
            return address.is_loopback
        inner = _meant(address)
        return is_public(address) or any(
            inner.version == network.version and inner in network for network in self.internal
        )


def is_public(address: Address) -> bool:
    """Tell whether an address, and the one it may hide, is out in the public network."""
    inner = _meant(address)
    # What only maps an IPv4 address is as public as that.
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    return _is_global(inner) and (mapped or _is_global(address))


def _is_global(address: Address) -> bool:
    hidden = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not (hidden or getattr(address, "is_site_local", False))


def _meant(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one, by whichever way of writing it there."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & _LOW_32)
    return address


def resolved(host: str, port: int) -> list[str]:
    """Ask the system's resolver, once."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"no address: {type(error).__name__}") from error
    return [str(address[0]) for *_, address in found]


class _Judging(httpcore.NetworkBackend):
    """Connects to addresses that were judged."""

    def __init__(self, destination: Destination, resolve: Callable[[str, int], list[str]]) -> None:
        self._destination, self._resolve = destination, resolve
        self._within = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        address = self._destination.judged(self._resolve(host, port))
        return self._within.connect_tcp(address, port, timeout, local_address, socket_options)


class _AsyncJudging(httpcore.AsyncNetworkBackend):
    """The same for those who await."""

    def __init__(self, destination: Destination, resolve: Callable[[str, int], list[str]]) -> None:
        self._destination, self._resolve = destination, resolve
        self._within = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await asyncio.to_thread(self._resolve, host, port)
        address = self._destination.judged(found)
        return await self._within.connect_tcp(address, port, timeout, local_address, socket_options)


class _Counted:
    """Counts an answer while it comes, in bytes and in time."""

    def __init__(self, bytes_max: int) -> None:
        self._left = bytes_max
        self._until = time.monotonic() + REPLY_S_MAX

    def check(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise httpx.ReadError("the answer is too long")
        if time.monotonic() > self._until:
            raise httpx.ReadTimeout("the answer does not end")
        return chunk


class _Bounded(httpx.SyncByteStream):
    def __init__(self, within: httpx.SyncByteStream, counted: _Counted) -> None:
        self._within, self._counted = within, counted

    def __iter__(self) -> Iterator[bytes]:
        return map(self._counted.check, self._within)

    def close(self) -> None:
        self._within.close()


class _AsyncBounded(httpx.AsyncByteStream):
    def __init__(self, within: httpx.AsyncByteStream, counted: _Counted) -> None:
        self._within, self._counted = within, counted

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._within:
            yield self._counted.check(chunk)

    async def aclose(self) -> None:
        await self._within.aclose()


def _plain(response: httpx.Response) -> None:
    # What is packed is small on the wire and may be anything afterwards: its size tells nothing.
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise httpx.DecodingError("an answer is not to be packed")


class Outbound(httpx.HTTPTransport):
    """The way out of a client: give it as `transport`, and nothing else is reachable by it."""

    def __init__(
        self,
        destination: Destination,
        *,
        reply_bytes_max: int = REPLY_BYTES_MAX,
        resolve: Callable[[str, int], list[str]] = resolved,
    ) -> None:
        """Open no connection yet."""
        super().__init__()
        self._destination, self._bytes_max = destination, reply_bytes_max
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=CONNECTIONS_MAX,
            network_backend=_Judging(destination, resolve),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request where it was configured to go, and bound what comes back."""
        self._destination.check(request.url)
        request.headers["Accept-Encoding"] = "identity"
        response = super().handle_request(request)
        _plain(response)
        assert isinstance(response.stream, httpx.SyncByteStream), "a transport that blocks"
        response.stream = _Bounded(response.stream, _Counted(self._bytes_max))
        return response


class AsyncOutbound(httpx.AsyncHTTPTransport):
    """The same for a client that awaits."""

    def __init__(
        self,
        destination: Destination,
        *,
        reply_bytes_max: int = REPLY_BYTES_MAX,
        resolve: Callable[[str, int], list[str]] = resolved,
    ) -> None:
        """Open no connection yet."""
        super().__init__()
        self._destination, self._bytes_max = destination, reply_bytes_max
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            network_backend=_AsyncJudging(destination, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request where it was configured to go, and bound what comes back."""
        self._destination.check(request.url)
        request.headers["Accept-Encoding"] = "identity"
        response = await super().handle_async_request(request)
        _plain(response)
        assert isinstance(response.stream, httpx.AsyncByteStream), "a transport that awaits"
        response.stream = _AsyncBounded(response.stream, _Counted(self._bytes_max))
        return response
