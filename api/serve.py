"""Serving over HTTP: in a thread of this process, stopped gracefully."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Final

import uvicorn

from adapters.transport import TransportRefused, refuse_open_door
from api.app import opened
from api.door.strict_http import KEEP_ALIVE_S, StrictH11
from api.house.settings import SettingsRefused
from api.identity.certificates import CertifiedH11, ProxyCertificates, tls_context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from api.house.bootstrap import House
    from api.house.settings import Settings

START_S: Final = 30.0
GRACE_S: Final = 10
"""How long calls that are being answered may take when we stop."""
BACKLOG: Final = 2048
_LOOK_S: Final = 0.01


class NotServing(Exception):
    """The server did not come up; its own log says why."""


@contextlib.contextmanager
def serving(
    house: House, *, host: str | None = None, port: int | None = None, jwks: Path | None = None
) -> Iterator[str]:
    """Open a house's doors while the context lasts, and give their address.

    Args:
        house: open; `working` runs its projections and its worker.
        host: the settings' where it is None.
        port: the settings' where it is None; 0 takes any free one.
        jwks: the token issuer's keys, where the settings name none.

    Raises:
        SettingsRefused: the port is taken, nobody says whose tokens are believed, or callers of
            other machines would send them in the clear.
        NotServing: the app did not start.
    """
    settings = house.settings
    where = settings.host if host is None else host
    context = tls_of(settings)
    _refuse_open(where, settings, encrypted=context is not None)
    app: ASGIApp = opened(house, jwks=jwks)
    if settings.tls.proxy_certificates:
        app = ProxyCertificates(app)
    at = settings.port if port is None else port
    with listening(app, where, at, tls=context) as url:
        yield url


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """Load what we serve TLS with; None where a proxy does, or nobody.

    Raises:
        SettingsRefused: the certificate, its key or the callers' authority cannot be used.
    """
    said = settings.tls
    if said.certificate is None or said.key is None:
        return None
    try:
        return tls_context(said.certificate, said.key, said.callers)
    except OSError as error:
        raise SettingsRefused(f"TLS cannot be served: {error.strerror or error}") from error


def _refuse_open(host: str, settings: Settings, *, encrypted: bool) -> None:
    try:
        refuse_open_door(host, encrypted=encrypted, terminated=settings.tls.terminated_upstream)
    except TransportRefused as refused:
        raise SettingsRefused(str(refused)) from None


@contextlib.contextmanager
def listening(
    app: ASGIApp, host: str, port: int, *, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve an app while the context lasts, and give its address."""
    listener = _listener(host, port)
    server = uvicorn.Server(_config(app, tls))
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        yield _address(listener, secure=tls is not None)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _address(listener: socket.socket, *, secure: bool) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsRefused(f"{host}:{port} cannot be served: {error.strerror}") from error
    return listener


def _config(app: ASGIApp, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=StrictH11 if tls is None else CertifiedH11,
        # No door of ours is a websocket: nothing may switch to one.
        ws="none",
        ssl_context_factory=None if tls is None else lambda *_: tls,
        # Our own lines say what is logged, and proxies are not believed.
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    waited = threading.Event()
    for _ in range(int(START_S / _LOOK_S)):
        if server.started:
            return
        if not thread.is_alive():
            break
        waited.wait(_LOOK_S)
    server.should_exit = True
    raise NotServing("the server did not start")
