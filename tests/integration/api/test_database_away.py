"""The doors while the database is away: they say so, the watchers are told soon, and it passes."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from api.house.front import CONNECT_S
from api.identity.scopes import Role
from ledger.errors import LogUnreachable
from tests.integration.api.street import NOBODY, Street, open_street

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 60.0


@pytest.fixture
def server(fast_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test alone, to be killed: it keeps what it has committed."""
    with EmbeddedPostgres(fast_folder / f"away-{uuid4().hex[:8]}") as server:
        yield server


@pytest.fixture
def away(server: EmbeddedPostgres, tmp_path: Path) -> Iterator[tuple[Street, str]]:
    """A street with a client, whose database has died."""
    with open_street(prepare_embedded(server), tmp_path) as street:
        client = street.register("EUR")
        street.pay_in(client, "20.00", "EUR")
        assert street.wallet(client, "EUR")["available"] == "20.00"
        assert street.http.get("/readyz").status_code == 200
        assert "clearing_unexplained{" in metrics(street).text
        os.kill(server.pid, signal.SIGKILL)
        while not server.lost:
            time.sleep(0.02)
        try:
            yield street, client
        finally:
            # A house closes only where its book can be asked.
            server.start()


def metrics(street: Street) -> httpx.Response:
    return street.http.get("/metrics", headers=street.headers(Role.OPERATOR))


def eventually(ask: Callable[[], httpx.Response]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        answer = ask()
        if answer.is_success:
            return answer.json()
        assert answer.status_code == 503, answer.text
        time.sleep(0.1)
    raise AssertionError("it never came back")


def test_reads_say_that_the_database_is_away_until_it_is_back(
    away: tuple[Street, str], server: EmbeddedPostgres
) -> None:
    street, client = away
    wallets = f"/v1/clients/{client}/wallets"
    # One of them meets a dead connection, the others find none.
    with ThreadPoolExecutor() as readers:
        asked = (wallets, "/v1/trial-balance", f"/v1/withdrawals/{NOBODY}")
        reading = readers.submit(street.house.book.event, 1)
        answers = list(readers.map(lambda path: street.look(Role.FINANCE, path), asked))
        with pytest.raises(LogUnreachable):
            reading.result()
    server.start()

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert answer.json()["retry"] is True
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["content-type"] == "application/problem+json"

    found = eventually(lambda: street.look(Role.FINANCE, wallets))
    assert found["wallets"][0]["available"] == "20.00"


def test_watchers_are_told_at_once_that_the_database_is_away(
    away: tuple[Street, str], server: EmbeddedPostgres
) -> None:
    street, _ = away
    for _ in range(3):
        ready = street.http.get("/readyz")

        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        assert ready.elapsed.total_seconds() < CONNECT_S
    told = metrics(street)
    alive = street.http.get("/healthz")
    server.start()
    eventually(lambda: street.http.get("/readyz"))

    assert (told.status_code, alive.status_code) == (200, 200)
    assert "counterfoil_book_queue 0.0" in told.text
    assert "counterfoil_projection_lag_events" not in told.text
    assert "clearing_unexplained{" not in told.text
