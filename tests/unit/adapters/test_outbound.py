"""Where our own calls may go, and how much of an answer is read."""

from __future__ import annotations

import ast
import asyncio
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from adapters.outbound import (
    REPLY_BYTES_MAX,
    AsyncOutbound,
    Destination,
    Outbound,
    OutboundRefused,
    is_public,
    resolved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[3]
PUBLIC = "93.184.216.34"

INSIDE = (
    *(
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",  # noqa: S104 - the point is that nobody gets there
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
    ),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
    *("192.0.2.1", "198.18.0.1", "::1", "::", "fc00::1", "fd12::1", "fe80::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "fec0::1"),
)
IN_DISGUISE = (
    *("2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.1", "0", "017700000001"),
    *("localhost.", "LOCALHOST"),
)


class Shop:
    """A server on loopback that counts who came, under any name."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"{}")
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.hosts.append(self.headers["host"])
                status, headers, body = shop.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"


@pytest.fixture
def shop() -> Iterator[Shop]:
    found = Shop()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def client(address: str, **how: object) -> httpx.Client:
    transport = Outbound(Destination.of(address), **how)  # type: ignore[arg-type]
    return httpx.Client(transport=transport, trust_env=False, timeout=2)


@pytest.mark.parametrize("text", INSIDE)
def test_no_address_of_the_inside_is_reached(text: str) -> None:
    with pytest.raises(OutboundRefused):
        Destination.of("https://psp.example").judged([text])
    with pytest.raises(OutboundRefused):
        Destination.of("https://psp.example").judged([PUBLIC, text])


def test_an_address_of_the_public_network_is_reached() -> None:
    for text in (PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"):
        assert is_public(ip_address(text)), text
        assert Destination.of("https://psp.example").judged([text])


@pytest.mark.parametrize("host", IN_DISGUISE)
def test_a_number_in_disguise_leads_nowhere(shop: Shop, host: str) -> None:
    address = f"https://{host}:{shop.port}"

    with pytest.raises(httpx.ConnectError), client(address) as out:
        out.get(f"{address}/")
    assert shop.hosts == []


def test_the_same_number_would_lead_inside_without_the_guard(shop: Shop) -> None:
    assert "127.0.0.1" in resolved("2130706433", shop.port)
    assert httpx.get(f"http://2130706433:{shop.port}/", trust_env=False).status_code == 200
    assert len(shop.hosts) == 1


def test_a_name_that_changes_its_answer_is_asked_once_and_never_followed(shop: Shop) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    destination = Destination.of(f"https://psp.example:{shop.port}")
    assert destination.judged(rebinding("psp.example", shop.port)) == PUBLIC
    # The second answer is judged for itself: whoever connects by name again connects inside.
    with (
        client(f"https://psp.example:{shop.port}", resolve=rebinding) as out,
        pytest.raises(OutboundRefused),
    ):
        out.get(f"https://psp.example:{shop.port}/")
    assert asked == ["psp.example"] * 2
    assert shop.hosts == []


def test_the_connection_goes_to_the_judged_address_and_asks_for_the_name(shop: Shop) -> None:
    asked: list[str] = []

    def here(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with client(f"http://localhost:{shop.port}", resolve=here) as out:
        assert out.get(f"http://localhost:{shop.port}/").status_code == 200

    assert asked == ["localhost"]
    assert shop.hosts == [f"localhost:{shop.port}"]


def test_loopback_that_was_configured_reaches_nothing_else() -> None:
    near = Destination.of("http://localhost:8080")

    assert near.judged(["127.0.0.1"]) == "127.0.0.1"
    for text in (PUBLIC, "10.0.0.1", "169.254.169.254"):
        with pytest.raises(OutboundRefused):
            near.judged([text])


def test_a_network_of_our_own_is_reached_where_it_is_named() -> None:
    far, named = "https://issuer.internal", (ip_network("10.2.0.0/16"),)

    assert Destination.of(far, named).judged(["10.2.3.4"]) == "10.2.3.4"
    assert Destination.of(far, named).judged(["::ffff:10.2.3.4"])
    for text in ("10.3.0.1", "127.0.0.1", "169.254.169.254"):
        with pytest.raises(OutboundRefused):
            Destination.of(far, named).judged([text])


@pytest.mark.parametrize(
    "address",
    ["http://psp.example", "ftp://127.0.0.1", "https://", "https://a:b@psp.example", "file:///x"],
)
def test_an_address_in_the_clear_or_with_a_password_is_refused(address: str) -> None:
    with pytest.raises(OutboundRefused):
        Destination.of(address)


@pytest.mark.parametrize(
    "elsewhere",
    ["http://127.0.0.1:1/", "https://127.0.0.1:{port}/", "http://localhost:{port}/", "http://a/"],
)
def test_a_client_calls_its_own_place_only(shop: Shop, elsewhere: str) -> None:
    with client(shop.url) as out, pytest.raises(OutboundRefused):
        out.get(elsewhere.format(port=shop.port))
    assert shop.hosts == []


def test_no_redirect_is_followed_even_where_the_client_would(shop: Shop) -> None:
    shop.answer = (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b"")

    with client(shop.url) as out:
        assert out.get(f"{shop.url}/").status_code == 302
        with pytest.raises(OutboundRefused):
            out.get(f"{shop.url}/", follow_redirects=True)


def test_an_answer_is_read_to_its_limit_and_no_further(shop: Shop) -> None:
    shop.answer = (200, {}, b"x" * REPLY_BYTES_MAX)
    with client(shop.url) as out:
        assert len(out.get(f"{shop.url}/").content) == REPLY_BYTES_MAX
        shop.answer = (200, {}, b"x" * (REPLY_BYTES_MAX + 1))
        with pytest.raises(httpx.ReadError):
            out.get(f"{shop.url}/")


def test_an_answer_that_unpacks_to_more_is_not_unpacked(shop: Shop) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    shop.answer = (200, {"Content-Encoding": "gzip"}, bomb)

    assert len(bomb) < REPLY_BYTES_MAX
    with client(shop.url) as out, pytest.raises(httpx.DecodingError):
        out.get(f"{shop.url}/")


def test_who_awaits_is_held_to_the_same(shop: Shop) -> None:
    async def ask(address: str, path: str) -> bytes:
        way = AsyncOutbound(Destination.of(address))
        async with httpx.AsyncClient(transport=way, trust_env=False, timeout=2) as out:
            return (await out.get(path)).content

    assert asyncio.run(ask(shop.url, f"{shop.url}/")) == b"{}"
    shop.answer = (200, {}, b"x" * (REPLY_BYTES_MAX + 1))
    with pytest.raises(httpx.ReadError):
        asyncio.run(ask(shop.url, f"{shop.url}/"))
    with pytest.raises(OutboundRefused):
        asyncio.run(ask(shop.url, "http://127.0.0.1:1/"))
    with pytest.raises(OutboundRefused):
        asyncio.run(ask(f"https://2130706433:{shop.port}", f"https://2130706433:{shop.port}/"))
    assert len(shop.hosts) == 2


# --- nobody goes out by another way

LINES = {"socket", "http.client", "urllib.request", "urllib3", "requests", "httpx", "httpcore"}
ALLOWED = {
    "adapters/outbound.py": {"socket", "httpx", "httpcore"},
    "adapters/outgoing.py": {"httpx"},
    "adapters/psp/stripe/wire.py": {"httpx"},
    "api/identity/issuer.py": {"httpx"},
    # The vault's client brings its own; the address is checked when the session is made.
    "adapters/secrets/session.py": {"requests"},
    # A server of the vault's API that we start ourselves, on loopback.
    "adapters/secrets/openbao.py": {"requests", "socket"},
    # They listen, or look for a free port.
    "adapters/database/cluster.py": {"socket"},
    "adapters/psp/stripe/simulator/server.py": {"socket"},
    "api/serve.py": {"socket"},
    # Doubles of people and providers: they refuse every address but loopback.
    "adapters/psp/stripe/simulator/deliveries.py": {"http.client"},
    "api/demo/lines.py": {"http.client"},
}
"""Who may hold a line outwards, and which."""
MAKERS = ("httpx.Client", "httpx.AsyncClient", "httpx.HTTPTransport", "Observed")


def lines_of(text: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {line for line in LINES if any(f"{name}.".startswith(f"{line}.") for name in found)}


def unguarded(text: str) -> list[int]:
    """Find clients of httpx that are made without our way out."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and (
            (
                ast.unparse(node.func) in MAKERS
                and not any(
                    word.arg == "transport" and "Outbound(" in ast.unparse(word.value)
                    for word in node.keywords
                )
            )
            or ast.unparse(node.func) in {f"httpx.{verb}" for verb in ("get", "post", "request")}
        )
    ]


def shipped() -> Iterator[tuple[str, str]]:
    packages = ("ledger", "payments", "compliance", "clients", "projections", "adapters", "api")
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


def test_nobody_holds_a_line_outwards_who_is_not_listed() -> None:
    held = {path: lines for path, text in shipped() if (lines := lines_of(text))}

    assert held == ALLOWED


def test_every_client_is_made_with_the_guarded_way_out() -> None:
    assert {path: found for path, text in shipped() if (found := unguarded(text))} == {}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (lines_of, "import httpx\n"),
        (lines_of, "from urllib.request import urlopen\n"),
        (lines_of, "from urllib import request\n"),
        (lines_of, "import http.client as h\n"),
        (lines_of, "def f():\n    import requests.sessions\n"),
        (unguarded, "httpx.Client(timeout=1)\n"),
        (unguarded, "Observed(a, b, transport=httpx.HTTPTransport())\n"),
        (unguarded, "httpx.get('https://x')\n"),
    ],
)
def test_another_way_out_is_found(found: Callable[[str], object], text: str) -> None:
    assert found(text)
    assert not found("from http import HTTPStatus\nfrom urllib.parse import urlsplit\n")
