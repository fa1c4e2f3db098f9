"""Who we talk to shows a certificate: of the right name, in time, of an authority we believe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
import stripe
from psycopg.conninfo import make_conninfo

from adapters.database.embedded import EmbeddedPostgres
from adapters.outgoing import Listed
from adapters.psp.stripe.client import StripeApi
from adapters.secrets.port import Secret, SecretsError, SecretsUnavailable
from adapters.secrets.session import AppRole, VaultSession
from adapters.transport import VERIFIED
from api.identity.issuer import fetched
from tests.integration.lanes import DEBIAN_15
from tests.integration.transport.papers import WRONG, Paper, Papers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.lanes import Lanes

ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@contextlib.contextmanager
def serving(paper: Paper) -> Iterator[tuple[str, list[str]]]:
    """Answer everything, under this certificate; gives the address, and what was asked."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = b'{"keys":[],"data":[],"has_more":false,"object":"list"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the library looks for these names

        def log_message(self, *_: object) -> None:
            return

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            return

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paper.certificate, paper.key)
    server = Quiet(("127.0.0.1", 0), Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://localhost:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Papers:
    """Certificates, whose authority is the one that every client here believes."""
    made = Papers(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    return made


def ask_provider(address: str, _: Papers) -> None:
    api = StripeApi("sk_test_x", outgoing=Listed(), address=address, timeout_s=5)
    with contextlib.closing(api):
        api.event_page({})


def ask_issuer(address: str, _: Papers) -> None:
    asyncio.run(fetched(address))


def ask_vault(address: str, papers: Papers) -> None:
    role = AppRole("house", lambda: Secret("proof"))
    session = VaultSession(address, role, authority=papers.authority, answer_s=5)
    with contextlib.closing(session):
        session.call(lambda client: client.auth.token.lookup_self(), "anything")


ASKING = [
    pytest.param(ask_provider, stripe.APIConnectionError, id="provider"),
    pytest.param(ask_issuer, httpx.ConnectError, id="issuer"),
    pytest.param(ask_vault, SecretsUnavailable, id="vault"),
]


@pytest.mark.parametrize(("ask", "refusal"), ASKING)
@pytest.mark.parametrize("kind", WRONG)
def test_sends_nothing_to_who_cannot_prove_who_it_is(
    papers: Papers, kind: str, ask: Callable[[str, Papers], None], refusal: type[Exception]
) -> None:
    with serving(papers.of(kind)) as (address, asked):
        with pytest.raises(refusal):
            ask(address, papers)
        assert asked == []


@pytest.mark.parametrize(("ask", "refusal"), ASKING)
def test_talks_to_who_can(
    papers: Papers, ask: Callable[[str, Papers], None], refusal: type[Exception]
) -> None:
    with serving(papers.of("right")) as (address, asked):
        # What the vault's client makes of this answer is no matter here: it was asked.
        with contextlib.suppress(KeyError, SecretsError):
            ask(address, papers)
        assert asked


# --- PostgreSQL, a real one: Debian's, since the embedded one is built without TLS


@contextlib.contextmanager
def encrypted(folder: Path, paper: Paper, lanes: Lanes) -> Iterator[EmbeddedPostgres]:
    """Start a server with this certificate, which its own user must be able to read."""
    programs, home = lanes.binaries(DEBIAN_15), folder / "db"
    with EmbeddedPostgres(home, durable=False, binaries=programs):
        pass  # makes the data directory, which alone its user is sure to reach
    pgdata = home / "server" / "pgdata"
    owner = pgdata.stat()
    for name, path in {"server.crt": paper.certificate, "server.key": paper.key}.items():
        made = Path(shutil.copy(path, pgdata / name))
        os.chown(made, owner.st_uid, owner.st_gid)
    with EmbeddedPostgres(home, durable=False, settings={"ssl": "on"}, binaries=programs) as server:
        yield server


@pytest.mark.parametrize("kind", ["right", *WRONG])
def test_a_database_is_believed_by_its_certificate_alone(
    tmp_path: Path, kind: str, lanes: Lanes
) -> None:
    papers = Papers(tmp_path, "db.example")
    with encrypted(tmp_path, papers.of(kind), lanes) as server:
        told = make_conninfo(server.dsn("postgres"), host="db.example", hostaddr="127.0.0.1")
        verified = make_conninfo(
            told, sslmode=VERIFIED, sslrootcert=str(papers.authority), connect_timeout=5
        )
        if kind == "right":
            with psycopg.connect(verified) as connection:
                row = connection.execute(ENCRYPTED).fetchone()
            assert row == (True,)
            return
        with pytest.raises(psycopg.OperationalError, match="certificate"):
            psycopg.connect(verified)
        # The control: who does not look is let in.
        psycopg.connect(make_conninfo(told, sslmode="require")).close()


def test_a_database_that_speaks_no_tls_is_refused(
    tmp_path: Path, postgres: EmbeddedPostgres
) -> None:
    papers = Papers(tmp_path, "db.example")
    told = make_conninfo(postgres.dsn("postgres"), host="db.example", hostaddr="127.0.0.1")
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        psycopg.connect(make_conninfo(told, sslmode=VERIFIED, sslrootcert=str(papers.authority)))
    psycopg.connect(told).close()
