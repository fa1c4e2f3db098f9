"""The simulated Stripe's HTTP server on loopback: a small ASGI app in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from adapters.psp.stripe.simulator.desk import Desk, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

BODY_MAX: Final = 1024 * 1024
_START_S: Final = 10.0
_CUT: Final = "counterfoil.cut"
_JSON: Final = (b"content-type", b"application/json")
_HTML: Final = (b"content-type", b"text/html")


class _Cuttable(HttpToolsProtocol):
    """Lets the app cut the connection, which plain ASGI has no word for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: MutableMapping[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {_CUT: self.transport.abort}


class Server:
    """Serves a desk, and a control surface beside it, on a free port of loopback."""

    def __init__(self, desk: Desk, control: Callable[[str, bytes], Reply]) -> None:
        """Take a port; nothing is served before `start`."""
        self._desk = desk
        self._control = control
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._app,
            http=_Cuttable,
            interface="asgi3",
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="stripe-simulator", daemon=True)

    def start(self) -> None:
        """Serve, and return when requests are answered."""
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_START_S / 0.01)):
            if self._server.started:
                return
            waited.wait(0.01)
        raise TimeoutError("the simulator did not start")

    def stop(self) -> None:
        """Stop serving and give the port back."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_START_S)
        self._socket.close()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    async def _app(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        assert scope["type"] == "http", "nothing else is served"
        request = await _read(scope, receive)
        if request.path.startswith("/_sim/"):
            # It may send webhooks, whose receiver may ask us something: never in this thread.
            reply = await asyncio.to_thread(
                self._control, request.path.removeprefix("/_sim/"), request.body
            )
        else:
            reply = self._desk.answer(request)
        if reply.late:
            await asyncio.sleep(self._desk.faults.stall_s)
        if reply.cut:
            await _cut(scope, receive)
            return
        kind = _HTML if reply.body.startswith(b"<") else _JSON
        headers = [kind, (b"content-length", str(len(reply.body)).encode())]
        if reply.replayed:
            headers.append((b"idempotent-replayed", b"true"))
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": headers,
                "trailers": False,
            }
        )
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})


async def _read(scope: Any, receive: ASGIReceiveCallable) -> Request:
    headers = dict(scope["headers"])
    body = bytearray()
    more = True
    while more and len(body) <= BODY_MAX:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message["body"]
        more = message["more_body"]
    key = headers.get(b"idempotency-key")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("ascii"),
        body=bytes(body),
        key=None if key is None else key.decode("latin-1"),
        credential=headers.get(b"authorization", b"").decode("latin-1"),
    )


async def _cut(scope: Any, receive: ASGIReceiveCallable) -> None:
    scope["extensions"][_CUT]()
    while (await receive())["type"] != "http.disconnect":
        continue
