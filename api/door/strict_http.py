"""HTTP/1.1 as strictly as it is written: one reading of every byte, and a deadline for every head.

What two parsers may read differently is how a request is smuggled past a proxy (RFC 9112 §11.2):
a length and a chunked coding together, folded headers, lines that end in half a line end. Such a
call is answered with 400 and its connection is closed, so nothing behind it is ever read.
"""

from __future__ import annotations

import json
import re
import resource
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.door.headers import SAFE_HEADERS
from api.door.problems import DOOR, MEDIA_TYPE, Problem

if TYPE_CHECKING:
    import asyncio

HEAD_BYTES_MAX: Final = 48 * 1024
"""Request line and headers: a little more than the gate takes, so that it can say so itself."""
HEAD_SECONDS_MAX: Final = 10.0
"""From the connection, or from the last answer, to the end of the next head."""
KEEP_ALIVE_S: Final = 5
"""How long a connection may be silent between two calls."""
CONNECTIONS_MAX: Final = 4096
"""Open at once; what comes beyond is closed unheard."""
FILES_KEPT: Final = 256
"""Of the files that the system allows us, those that connections never take."""

_LOOSE: Final = re.compile(rb"(?<!\r)\n|\r(?=[^\n])|\r\n[ \t]|\x00")
_HEAD_ENDS: Final = b"\r\n\r\n"
_LENGTHS: Final = frozenset({b"content-length", b"transfer-encoding"})
_FRAMINGS: Final = {b"1.1": _LENGTHS, b"1.0": frozenset({b"content-length"})}
"""How a body may say its length, by version."""


class StrictConnection(h11.Connection):
    """Refuses what h11 takes although another parser may read it differently."""

    def next_event(self) -> Any:
        """Return the next event of the connection.

        Raises:
            h11.RemoteProtocolError: what came is no HTTP/1.1, or is so only for some.
        """
        if self.their_state is h11.IDLE:
            came, _ = self.trailing_data
            end = came.find(_HEAD_ENDS)
            if end > HEAD_BYTES_MAX or _LOOSE.search(came, 0, end if end >= 0 else len(came)):
                raise h11.RemoteProtocolError("a head without end, or lines that may end elsewhere")
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            framings = _FRAMINGS.get(event.http_version, frozenset())
            if not (_LENGTHS & names) <= framings or names >= _LENGTHS:
                raise h11.RemoteProtocolError("a body of two lengths, or of none that we know")
            if event.http_version not in _FRAMINGS:
                raise h11.RemoteProtocolError("another version")
        return event


class StrictH11(H11Protocol):
    """The server's protocol: strict, bounded in connections, and patient for so long only."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.conn = StrictConnection(h11.SERVER, HEAD_BYTES_MAX)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, where there is room."""
        super().connection_made(transport)
        if len(self.connections) > connections_max():
            transport.abort()
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and see whether we still wait for a head."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Answer what was piped in behind, and wait for the next head."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what we say is always the same
        """Answer with a problem and close: whatever follows is not read."""
        if self._is_in_a_call():
            # The call behind it hears that its caller is gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            body = _unreadable()
            headers = [*_HEADERS, (b"content-length", str(len(body)).encode("ascii"))]
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _is_in_a_call(self) -> bool:
        cycle = getattr(self, "cycle", None)
        return cycle is not None and not cycle.response_complete

    def _watch(self) -> None:
        if self._is_in_a_call():
            self._unwatch()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEAD_SECONDS_MAX, self.transport.close)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def connections_max() -> int:
    """How many connections are held: fewer where the system allows fewer files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(1, min(CONNECTIONS_MAX, files - FILES_KEPT))


_HEADERS: Final = [
    (b"content-type", MEDIA_TYPE.encode("ascii")),
    (b"connection", b"close"),
    *(
        (name.lower().encode("ascii"), value.encode("ascii"))
        for name, value in SAFE_HEADERS.items()
    ),
]


def _unreadable() -> bytes:
    shut = DOOR["bad_request"]
    problem = Problem(
        type="urn:counterfoil:problem:bad_request",
        title="Bad Request",
        status=shut.status,
        detail=shut.detail,
        code="bad_request",
        request_id="",
        retry=shut.retry,
    )
    return json.dumps(problem.model_dump(exclude_none=True)).encode("ascii")
