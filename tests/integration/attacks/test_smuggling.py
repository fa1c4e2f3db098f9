"""One connection, one reading: no bytes of a request are ever taken for a second one."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h11
import pytest

from api.door import strict_http
from api.serve import listening
from tests.unit.api.small_house import open_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

SECOND = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST /healthz HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

SMUGGLED: dict[str, bytes] = {
    "length and chunks, length first": POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "length and chunks, chunks first": POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "a length that covers the rest": POST + CHUNKED + b"Content-Length: 900\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
    "two lengths in one": POST + b"Content-Length: 0, 60\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n",
    "a length below nothing": POST + b"Content-Length: -1\r\n\r\n",
    "a length in hexadecimal": POST + b"Content-Length: 0x0\r\n\r\n",
    "a length in other digits": POST + b"Content-Length: \xd9\xa0\r\n\r\n",
    "an endless length": POST + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks and more": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two codings": POST + CHUNKED + b"Transfer-Encoding: cow\r\n\r\n0\r\n\r\n",
    "a coding behind a tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Content-Length : 0\r\n\r\n",
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n",
    "a chunk of no size": POST + CHUNKED + b"\r\nzz\r\n\r\n",
    "a chunk below nothing": POST + CHUNKED + b"\r\n-1\r\n\r\n",
    "a chunk with 0x": POST + CHUNKED + b"\r\n0x0\r\n\r\n",
    "a chunk without end": POST + CHUNKED + b"\r\n" + b"f" * 40 + b"\r\n\r\n",
    "a chunk longer than it says": POST + CHUNKED + b"\r\n1\r\nabc\r\n0\r\n\r\n",
    "a folded header": GET + b"X-A: b\r\n c\r\n\r\n",
    "a folded header behind a tab": GET + b"X-A: b\r\n\tTransfer-Encoding: chunked\r\n\r\n",
    "a folded first header": b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",
    "lines that end in LF": GET.replace(b"\r\n", b"\n") + b"\n",
    "one line that ends in LF": GET + b"X-A: b\nX-B: c\r\n\r\n",
    "a lone CR": GET + b"X-A: b\rX-B: c\r\n\r\n",
    "NUL in a header": GET + b"X-A: b\x00c\r\n\r\n",
    "NUL in the target": b"GET /healthz\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the method": b"G\x00T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the target": b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "another version": b"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\nX-A: b\r\n\r\n",
    "a header without a name": GET + b": b\r\n\r\n",
    "a header without a colon": GET + b"X-A b\r\n\r\n",
    "a header too long": GET + b"X-A: " + b"a" * 60_000 + b"\r\n\r\n",
    "a target too long": b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


class Counted:
    """An app that counts how often it is asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.calls: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.calls.append(f"{scope['method']} {scope['path']}")
        await self.app(scope, receive, send)


class Served:
    """The small house behind our real server."""

    def __init__(self, counted: Counted, url: str) -> None:
        self.counted = counted
        self.where = (str(urlsplit(url).hostname), int(urlsplit(url).port or 0))

    def send(self, *pieces: bytes, to_the_end: bool = False) -> tuple[bytes, list[str]]:
        """Send bytes on a new connection, and return all that came back and what was executed."""
        self.counted.calls.clear()
        return exchanged(self.where, *pieces, to_the_end=to_the_end), list(self.counted.calls)


def exchanged(where: tuple[str, int], *pieces: bytes, to_the_end: bool = False) -> bytes:
    """Send, and read until the other side closes; `to_the_end` says that it will by itself."""
    came = b""
    with socket.create_connection(where, timeout=10) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
            if not to_the_end:
                line.shutdown(socket.SHUT_WR)
            while more := line.recv(65536):
                came += more
        except OSError:
            # Closed on us while we still sent: what was answered before counts.
            pass
    return came


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    counted = Counted(open_house(tmp_path_factory.mktemp("home")).app)
    with listening(counted, "127.0.0.1", 0) as url:
        yield Served(counted, url)


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_may_be_read_in_two_ways_is_refused_and_nothing_behind_it_runs(
    served: Served, name: str
) -> None:
    answer, executed = served.send(SMUGGLED[name] + SECOND)

    assert "GET /healthz" not in executed, answer
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 ")), answer
    assert answer.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_comes_in_pieces_is_read_in_the_same_way(served: Served, name: str) -> None:
    raw = SMUGGLED[name]

    answer, executed = served.send(raw[: len(raw) // 2], raw[len(raw) // 2 :], SECOND)

    assert "GET /healthz" not in executed, answer


def test_our_client_can_send_two_requests_that_are_two(served: Served) -> None:
    answer, executed = served.send(GET + b"\r\n" + SECOND, to_the_end=True)

    assert executed == ["GET /healthz"] * 2
    assert answer.count(b"HTTP/1.1 200 ") == 2


def test_a_refused_request_of_two_proper_ones_leaves_the_other_alone(served: Served) -> None:
    unknown = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"

    answer, executed = served.send(unknown + SECOND, to_the_end=True)

    assert executed == ["GET /nothing", "GET /healthz"]
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_a_body_that_the_door_never_reads_is_no_second_request(served: Served) -> None:
    hidden = SECOND
    head = b"POST /v1/withdrawals HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden)

    answer, executed = served.send(head + hidden)

    assert executed == ["POST /v1/withdrawals"]
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_naive_server_runs_what_was_smuggled_in() -> None:
    ran: list[str] = []

    class Naive(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            ran.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the library's own name

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Naive)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        length_wins = POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SECOND
        exchanged(("127.0.0.1", server.server_address[1]), length_wins)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    assert ran == ["POST /healthz", "GET /healthz"]


def test_the_servers_own_refusal_is_a_problem_with_safe_headers(served: Served) -> None:
    answer, _ = served.send(SMUGGLED["two lengths"])
    head, _, body = answer.lower().partition(b"\r\n\r\n")

    assert b"content-type: application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head
    assert b"cache-control: no-store" in head
    assert b"connection: close" in head
    assert b'"code": "bad_request"' in body
    assert b"server:" not in head


def test_an_absolute_target_and_an_upgrade_open_nothing(served: Served) -> None:
    absolute = b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    upgrade = GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

    assert served.send(absolute)[0].startswith(b"HTTP/1.1 404 ")
    assert b" 101 " not in served.send(upgrade + key)[0]


def test_a_head_that_does_not_end_is_hung_up_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict_http, "HEAD_SECONDS_MAX", 0.2)
    for started in (b"", b"GET /healthz HTTP/1.1\r\nX-A: ", POST + b"Content-Length: 9\r\n\r\n"):
        with socket.create_connection(served.where, timeout=10) as line:
            line.sendall(started)
            came = b""
            while more := line.recv(65536):
                came += more

        assert b" 200 " not in came, started


def test_what_comes_beyond_the_last_connection_is_closed_unheard(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict_http, "CONNECTIONS_MAX", 3)
    idle = [socket.create_connection(served.where, timeout=10) for _ in range(3)]
    try:
        assert exchanged(served.where, SECOND) == b""
    finally:
        for line in idle:
            line.close()
    monkeypatch.undo()
    assert exchanged(served.where, SECOND).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "name",
    [
        *("length and chunks, length first", "a folded header", "lines that end in LF"),
        *("another version", "chunks in HTTP/1.0"),
    ],
)
def test_the_parser_alone_would_have_taken_it(name: str) -> None:
    events: list[object] = []
    for make in (h11.Connection, strict_http.StrictConnection):
        connection = make(h11.SERVER, strict_http.HEAD_BYTES_MAX)
        connection.receive_data(SMUGGLED[name])
        try:
            events.append(type(connection.next_event()))
        except h11.RemoteProtocolError:
            events.append(h11.RemoteProtocolError)

    assert events == [h11.Request, h11.RemoteProtocolError]
