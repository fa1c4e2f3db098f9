"""A network that falls silent: what is sent arrives nowhere, and no connection breaks."""

from __future__ import annotations

import contextlib
import socket
from enum import Enum
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

READY_S_MAX = 20.0
PIECE_BYTES = 65_536


class Moment(Enum):
    """When a writer is cut off: behind these words of its, everything vanishes."""

    DECIDING = b"pg_advisory_xact_lock"
    COPYING = b"COPY "
    COMMITTING = b"COMMIT"


class SilentProxy:
    """Forwards bytes on loopback to the server at `port`, until a moment comes."""

    def __init__(self, port: int) -> None:
        self.silent = Event()
        self._moment: Moment | None = None
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._lock = Lock()
        Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def fall_silent_at(self, moment: Moment) -> None:
        """Let the next such words pass, and nothing after them in either direction."""
        self._moment = moment

    def cut(self) -> None:
        """Break every connection, and go on swallowing what newcomers say."""
        with self._lock:
            ends, self._sockets = self._sockets, []
        for end in ends:
            _close(end)

    def heal(self) -> None:
        """Forward again; what was silent until now breaks."""
        self._moment = None
        self.silent.clear()
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _close(self._listener)
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                with self._lock:
                    self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    Thread(
                        target=self._forward, args=(source, target, source is client), daemon=True
                    ).start()

    def _forward(self, source: socket.socket, target: socket.socket, requests: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                if self.silent.is_set():
                    continue
                moment = self._moment
                if requests and moment is not None and moment.value in data:
                    # From here on no answer may come back, so silence begins before the words go.
                    self.silent.set()
                target.sendall(data)
        _close(source)
        _close(target)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
