"""Serving over HTTP: in a thread of this process, stopped gracefully."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final

import uvicorn

from api.app import opened
from api.settings import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from api.bootstrap import House
    from api.frame import Api

START_S: Final = 30.0
GRACE_S: Final = 10
"""How long calls that are being answered may take when we stop."""
BACKLOG: Final = 2048
HEAD_BYTES_MAX: Final = 48 * 1024
"""Request line and headers: a little more than the gate takes, so that it can say so itself."""
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
        SettingsRefused: the port is taken, or nobody says whose tokens are believed.
        NotServing: the app did not start.
    """
    settings = house.settings
    where = settings.host if host is None else host
    with listening(opened(house, jwks=jwks), where, settings.port if port is None else port) as url:
        yield url


@contextlib.contextmanager
def listening(app: Api, host: str, port: int) -> Iterator[str]:
    """Serve an app while the context lasts, and give its address."""
    listener = _listener(host, port)
    server = uvicorn.Server(_config(app))
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        yield _address(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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


def _config(app: Api) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        # Our own lines say what is logged, and proxies are not believed.
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        lifespan="on",
        backlog=BACKLOG,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
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
