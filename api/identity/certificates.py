"""The certificate that a caller proves to hold: from our own TLS, or told by a proxy beside us.

A token that is bound to a certificate (RFC 8705) opens nothing in another's hands. Its thumbprint
is the base64url of the SHA-256 of the certificate's DER form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from api.door.strict_http import StrictH11

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

HEADER: Final = b"client-cert"
"""RFC 9440: the certificate in DER, base64, between colons."""
CERTIFICATE_BYTES_MAX: Final = 8192
_KEY: Final = "counterfoil.certificate"


def thumbprint(der: bytes) -> str:
    """Name a certificate as `cnf.x5t#S256` does."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode("ascii")


def certificate_of(scope: MutableMapping[str, Any]) -> str | None:
    """Return the thumbprint of the certificate that this call's bearer holds."""
    found = scope.get(_KEY)
    return found if isinstance(found, str) else None


class CertifiedH11(StrictH11):
    """HTTP over TLS that tells the app which certificate the other side has proved to hold."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read the certificate: the handshake is over."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if der := tls and tls.getpeercert(binary_form=True):
            self.app = _Carrying(self.app, thumbprint(der))


class _Carrying:
    """Pure ASGI: one connection's certificate, on every call that comes by it."""

    def __init__(self, app: Any, thumbprint: str) -> None:
        self._app = app
        self._thumbprint = thumbprint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[_KEY] = self._thumbprint
        await self._app(scope, receive, send)


class ProxyCertificates:
    """Pure ASGI: believes the certificate that a TLS proxy beside us writes into `Client-Cert`.

    Only behind a proxy on this machine that replaces the header, and only by explicit setting:
    otherwise anybody could write it. From another machine it is never read.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the header off the call, and its certificate along where it is one."""
        if scope["type"] == "http" and _KEY not in scope and _is_beside_us(scope.get("client")):
            told = [value for name, value in scope["headers"] if name == HEADER]
            # Two of them: one is the proxy's, and nobody can say which.
            if len(told) == 1 and (der := _der(told[0])):
                scope[_KEY] = thumbprint(der)
        await self._app(scope, receive, send)


def _is_beside_us(client: tuple[str, int] | None) -> bool:
    # Over a unix socket there is no address.
    try:
        return client is None or ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _der(value: bytes) -> bytes | None:
    if not (value.startswith(b":") and value.endswith(b":")) or len(value) > CERTIFICATE_BYTES_MAX:
        return None
    try:
        return base64.b64decode(value[1:-1], validate=True) or None
    except binascii.Error:
        return None


def tls_context(certificate: Path, key: Path, callers: Path | None) -> ssl.SSLContext:
    """Serve by TLS 1.2 or newer; ask callers for a certificate where their authority is named.

    It stays optional: webhooks come without one, and each token says whether it needs one.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if callers is not None:
        context.load_verify_locations(callers)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
