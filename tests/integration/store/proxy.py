"""A small TCP proxy that loses what a test wants lost."""

from __future__ import annotations

import contextlib
import socket
from enum import Enum
from threading import Lock, Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

COMMIT = b"COMMIT"


class Loss(Enum):
    """What becomes of the next commit."""

    NONE = "nothing is lost"
    REQUEST = "it never reaches the server"
    ANSWER = "the server commits, and its answer is lost"


class LossyProxy:
    """Forwards bytes on loopback between a client and the server at `port`."""

    def __init__(self, port: int) -> None:
        self.commits_lost = 0
        self.losses: list[Loss] = []
        """What becomes of the next commits, one after the other."""
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[Thread] = []
        self._open = True
        self._lock = Lock()
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def refuse_connections(self) -> None:
        """Cut everything and let nobody in any more."""
        self._open = False
        self.cut()

    def admit_connections(self) -> None:
        self._open = True

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            pairs, self._sockets = self._sockets[1:], self._sockets[:1]
        for end in pairs:
            _close(end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        _close(self._listener)
        for thread in self._threads:
            thread.join()

    def _start(self, target: object, *args: object) -> None:
        thread = Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self._open:
                    _close(client)
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._server_port))
                except OSError:  # the server is down: so are we, until it is back
                    _close(client)
                    continue
                with self._lock:
                    self._sockets += [client, server]
                self._start(self._forward_requests, client, server)
                self._start(self._forward_answers, client, server)

    def _forward_requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                loss = self.losses.pop(0) if COMMIT in data and self.losses else Loss.NONE
                if loss is Loss.REQUEST:
                    break
                if loss is Loss.ANSWER:
                    # Nothing more goes to the client; the server's end stays open to commit.
                    _close(client)
                    server.sendall(data)
                    self.commits_lost += 1
                    return
                server.sendall(data)
        _close(server)
        _close(client)

    def _forward_answers(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
        _close(server)
        _close(client)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
