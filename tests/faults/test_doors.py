"""The doors while the disk is full and while commits lose their answer: told, and done once."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from api.identity.scopes import Role
from ledger.store import committer
from tests.faults.disk import fill, small_disk
from tests.integration.api.street import Street, deposit, open_street, withdrawal
from tests.integration.store.proxy import Loss, LossyProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from adapters.database.roles import Database

pytestmark = pytest.mark.fault

DISK_MB = 160
PATIENCE_S = 60.0
CLIENT = {
    "residence": "CY",
    "category": "retail",
    "account_currency": "EUR",
    "name_ref": "crm:00002",
}
RATE = {"base": "EUR", "quote": "USD", "bid": "1.09980", "ask": "1.10020"}
APPROVAL = {
    "decision": "approve",
    "level": 1,
    "valid_until": "2027-10-01T00:00:00Z",
    "evidence_ref": "kyc:1",
}
WRITES = ("client", "rate", "approval", "deposit", "withdrawal")


@pytest.fixture
def proxy(database: Database) -> Iterator[LossyProxy]:
    with LossyProxy(int(str(conninfo_to_dict(database.dsn("book_writer"))["port"]))) as proxy:
        yield proxy


@pytest.fixture
def street(
    database: Database, proxy: LossyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Street]:
    """A street whose books are reached through the proxy."""
    monkeypatch.setattr(committer, "RECONNECT_DELAYS_S", (0.0, 0.0, 0.0))
    writer = make_conninfo(database.dsn("book_writer"), host="127.0.0.1", port=proxy.port)
    behind = replace(database, role_dsns={**database.role_dsns, "book_writer": writer})
    with open_street(behind, tmp_path) as street:
        try:
            yield street
        finally:
            proxy.admit_connections()


def write(street: Street, what: str) -> tuple[Role, str, dict[str, Any], str | None]:
    """Prepare one write of each kind: who asks where for what."""
    if what == "client":
        return Role.CRM, "/v1/clients", CLIENT, None
    if what == "rate":
        return Role.FINANCE, "/v1/rates", RATE, None
    client = street.register("EUR")
    if what == "approval":
        return Role.COMPLIANCE, f"/v1/kyc/{client}", APPROVAL, None
    if what == "deposit":
        return Role.CLIENT, "/v1/deposits", deposit(client), client
    paid = street.pay_in(client, "20.00", "EUR")["deposit"]
    return Role.CLIENT, "/v1/withdrawals", withdrawal(client, paid), client


@pytest.mark.parametrize("what", WRITES)
def test_a_write_whose_commit_lost_its_answer_is_done_once_when_asked_again(
    street: Street, proxy: LossyProxy, what: str
) -> None:
    role, path, body, whose = write(street, what)
    subject = "person:ann" if role is Role.FINANCE else ""
    ask = partial(street.ask, role, path, body, key="once", whose=whose, subject=subject)
    before = street.house.book.head()

    proxy.losses, proxy._open = [Loss.ANSWER], False
    unheard = ask()
    lost = proxy.commits_lost
    proxy.admit_connections()
    answers = [ask() for _ in range(2)]

    assert lost == 1
    assert unheard.status_code == 503, unheard.text
    assert unheard.json()["code"] == "outcome_unknown"
    assert [answer.is_success for answer in answers] == [True, True], answers[0].text
    assert answers[0].json() == answers[1].json()
    new = street.house.book.events_after(before, 100)
    assert sum(bool(event.request) for event in new) == 1
    assert street.house.book.verify().ok


def test_control_a_write_asked_again_under_another_key_is_done_twice(
    street: Street, proxy: LossyProxy
) -> None:
    before = street.house.book.head()
    proxy.losses, proxy._open = [Loss.ANSWER], False
    street.ask(Role.CRM, "/v1/clients", CLIENT, key="once")
    proxy.admit_connections()
    assert street.ask(Role.CRM, "/v1/clients", CLIENT, key="twice").is_success
    new = street.house.book.events_after(before, 100)
    assert sum(bool(event.request) for event in new) == 2


def eventually(ask: Callable[[], httpx.Response], status: int) -> httpx.Response:
    deadline = time.monotonic() + PATIENCE_S
    while (answer := ask()).status_code != status:
        assert time.monotonic() < deadline, f"it stays {answer.status_code}: {answer.text}"
        time.sleep(0.05)
    return answer


def test_control_a_house_that_does_not_look_at_its_appends_stays_ready_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "AILING_S", 0.0)
    with (
        small_disk(tmp_path / "disk", DISK_MB) as disk,
        EmbeddedPostgres(disk / "home") as server,
        open_street(prepare_embedded(server), tmp_path / "home") as street,
    ):
        filler = fill(disk)
        eventually(lambda: street.ask(Role.CRM, "/v1/clients", CLIENT), 503)
        ready = street.http.get("/readyz")
        filler.unlink()
        assert ready.status_code == 200


def test_a_full_disk_is_told_at_the_doors_and_forgotten_when_there_is_room(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", DISK_MB) as disk,
        EmbeddedPostgres(disk / "home") as server,
        open_street(prepare_embedded(server), tmp_path / "home") as street,
    ):
        street.register()
        assert street.http.get("/readyz").json() == {"status": "ready", "degraded": False}
        filler = fill(disk)
        refused = eventually(lambda: street.ask(Role.CRM, "/v1/clients", CLIENT), 503)
        ready = eventually(lambda: street.http.get("/readyz"), 503)
        alive = street.http.get("/healthz")
        filler.unlink()
        eventually(lambda: street.ask(Role.CRM, "/v1/clients", CLIENT), 201)
        eventually(lambda: street.http.get("/readyz"), 200)

        assert refused.json()["code"] in {"busy", "access_log_unavailable", "database_unavailable"}
        assert refused.json()["retry"] is True
        assert ready.json()["code"] == "not_ready"
        assert alive.status_code == 200
        assert street.house.book.verify().ok
