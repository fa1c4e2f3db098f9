"""A token issuer on loopback that can be slow, wrong, away, and that counts who asks."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import encode
from jwt.algorithms import OKPAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class LoopbackIssuer:
    """What it publishes, and how it behaves."""

    published: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """What it says in place of its keys."""
    release: threading.Event = field(default_factory=threading.Event)
    """It answers once this is set."""
    asked: int = 0
    url: str = ""

    def add(self, kid: str) -> Ed25519PrivateKey:
        return self.published.setdefault(kid, Ed25519PrivateKey.generate())

    def jwks(self) -> bytes:
        entries = [
            {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": "EdDSA"}
            for kid, key in self.published.items()
        ]
        return json.dumps({"keys": entries}).encode()

    def sign(self, kid: str, claims: dict[str, Any], **header: Any) -> str:
        return encode(claims, self.published[kid], "EdDSA", {"kid": kid, **header})


@contextlib.contextmanager
def serving_keys() -> Iterator[LoopbackIssuer]:
    issuer = LoopbackIssuer()
    issuer.release.set()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            issuer.release.wait(30)
            body = issuer.jwks() if issuer.body is None else issuer.body
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(issuer.status)
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
    try:
        yield issuer
    finally:
        issuer.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
