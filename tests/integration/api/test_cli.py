from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from adapters.database.roles import Database
from api.cli import main
from api.identity.scopes import Role
from api.shell import books
from tests.conftest import copied_database
from tests.integration.api.street import MERCHANT, Street, open_street

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.database.embedded import EmbeddedPostgres

START_S = 60


class Terminal:
    """Calls the command line on the books of a played street."""

    def __init__(self, home: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._home, self._capture = home, capture

    def type(self, *words: str) -> tuple[int, str, str]:
        """Type a command: its exit code, what it wrote, what it complained of."""
        self._capture.readouterr()
        code = main([*words, "--home", str(self._home)])
        told = self._capture.readouterr()
        return code, told.out, told.err

    def ask(self, *words: str) -> tuple[int, Any]:
        """Type a command and read its JSON."""
        code, out, _ = self.type(*words, "--json")
        return code, json.loads(out)


@pytest.fixture(scope="module")
def played(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Database, str]]:
    """Books in which a client paid in, and a house that is closed again."""
    home = tmp_path_factory.mktemp("home")
    with copied_database(postgres, template) as database:
        with open_street(database, home) as street:
            client = street.register("USD")
            street.pay_in(client, "100.00", "EUR")
        yield home, database, client


@pytest.fixture
def terminal(
    played: tuple[Path, Database, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    home, database, _ = played
    monkeypatch.setenv("DATABASE_URL", database.admin_dsn)
    monkeypatch.delenv("COUNTERFOIL_CONFIG", raising=False)
    return Terminal(home, capsys)


@pytest.fixture
def client(played: tuple[Path, Database, str]) -> str:
    return played[2]


def test_the_trial_balance_is_zero_in_every_currency(terminal: Terminal) -> None:
    code, trial = terminal.ask("trial-balance")
    told, out, _ = terminal.type("trial-balance")

    assert (code, told) == (0, 0)
    assert trial["sums"] == {"EUR": 0, "USD": 0}
    assert "client:wallet" in out
    assert "✓ USD: sums to 0.00" in out


def test_the_trial_balance_of_a_time_before_is_empty(terminal: Terminal) -> None:
    _, trial = terminal.ask("trial-balance", "--at", "2026-01-01")
    code, _, complaint = terminal.type("trial-balance", "--known-at", "yesterday")

    assert trial["lines"] == []
    assert code == 2
    assert "is no time" in complaint


def test_a_balance_is_explained_down_to_its_rate_and_its_cause(
    terminal: Terminal, client: str
) -> None:
    code, (found,) = terminal.ask("explain", f"client:wallet:{client}", "--currency", "USD")
    _, out, _ = terminal.type("explain", f"acme-cy:client:wallet:{client}")
    (movement,) = found["movements"]

    assert code == 0
    assert movement["balance"] == found["minor"] > 0
    assert movement["cause"]["fact"] == "payments.notice-received"
    assert movement["rates"][0]["pair"] == "EUR/USD"
    assert "ECB reference" in out
    assert "Dr EUR 100.00  acme-cy:psp:clearing:stripe-eu" in out


def test_an_account_that_is_none_is_refused(terminal: Terminal) -> None:
    code, _, complaint = terminal.type("explain", "client:purse:7")

    assert code == 2
    assert "no such account" in complaint


def test_untouched_books_verify_and_replay(terminal: Terminal) -> None:
    verified, report = terminal.ask("verify")
    replayed, tables = terminal.ask("replay")

    assert (verified, replayed) == (0, 0)
    assert report["held"]
    assert len(report["checks"]) >= 8
    assert tables["equal"]
    assert all(table["only_live"] is None for table in tables["tables"])


def test_a_changed_read_model_fails_the_proofs_until_it_is_rebuilt(
    terminal: Terminal, played: tuple[Path, Database, str]
) -> None:
    with psycopg.connect(played[1].admin_dsn) as connection:
        connection.execute("UPDATE read.balance SET minor = minor + 1 WHERE kind = 'psp:clearing'")
    verified, report = terminal.ask("verify")
    shown, trial = terminal.ask("trial-balance")
    replayed, _ = terminal.ask("replay")
    terminal.ask("replay", "--adopt")

    assert (verified, shown, replayed) == (1, 1, 1)
    assert trial["sums"]["EUR"] == 1
    assert "balances equal the fold" in {c["name"] for c in report["checks"] if not c["held"]}
    assert terminal.ask("verify")[0] == 0


def test_the_export_goes_to_a_file_or_to_the_terminal(terminal: Terminal, tmp_path: Path) -> None:
    journal = tmp_path / "book.journal"
    code, told = terminal.ask("export", "--format", "hledger", "--out", str(journal))
    _, out, _ = terminal.type("export", "--format", "hledger")
    _, lines, _ = terminal.type("export", "--format", "csv")
    refused, _, _ = terminal.type("export", "--format", "csv", "--json")

    assert (code, refused) == (0, 2)
    assert told["position"] > 0
    assert journal.read_text("utf-8") == out
    assert lines.startswith("position,leg,")


def test_events_are_told_a_line_each(terminal: Terminal) -> None:
    code, out, _ = terminal.type("events", "tail", "--after", "0", "--no-follow", "--json")
    events = [json.loads(line) for line in out.splitlines()]

    assert code == 0
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["name"] == "ledger.book-opened"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://ann:canary@127.0.0.1:1/books", "nobody answers at its address"),
        ("postgres//ann:canary@127.0.0.1/books", "the URL is no address"),
        ("postgresql://127.0.0.1:canary/x", "its address cannot be read"),
        ("postgresql://ann@127.0.0.1/books?password=canary&canary=1", "the URL is no address"),
    ],
)
def test_a_database_that_cannot_be_reached_is_said_in_a_line_without_its_password(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, url: str, told: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    code, out, complaint = terminal.type("trial-balance")

    assert (code, out) == (2, "")
    assert complaint.count("\n") == 1
    assert told in complaint
    assert "canary" not in complaint


def test_a_wrong_password_is_said_and_not_repeated(
    terminal: Terminal, played: tuple[Path, Database, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = make_conninfo(played[1].admin_dsn, password="canary")
    monkeypatch.setenv("DATABASE_URL", wrong)
    code, _, complaint = terminal.type("trial-balance")

    assert code == 2
    assert "it refuses the user or the password" in complaint
    assert "canary" not in complaint


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_who_has_seen_enough_hears_no_complaint(
    terminal: Terminal, tmp_path: Path, form: list[str]
) -> None:
    command = [sys.executable, "-m", "api.cli", "events", "tail", "--after", "0", "--no-follow"]
    with (tmp_path / "complaints").open("w+") as complaints:
        telling = subprocess.Popen([*command, *form], stdout=subprocess.PIPE, stderr=complaints)
        assert telling.stdout is not None
        telling.stdout.close()

        assert telling.wait(START_S) == 2
        complaints.seek(0)
        assert complaints.read() == ""


def test_a_place_without_books_is_said_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    home = tmp_path / "nothing"
    code = main(["verify", "--home", str(home)])

    assert code == 2
    assert "no books in" in capsys.readouterr().err
    assert not home.exists()


def test_settings_that_cannot_be_served_are_refused(terminal: Terminal, tmp_path: Path) -> None:
    config = tmp_path / "counterfoil.toml"
    config.write_text("port = 99999999\n")
    code, _, complaint = terminal.type("verify", "--config", str(config))

    assert code == 2
    assert "the settings cannot be read" in complaint


def test_a_time_without_a_zone_is_utc() -> None:
    assert books.moment("2026-10-30T16:00:00") == books.moment("2026-10-30T17:00:00+01:00")


def test_the_sandbox_serves_takes_a_deposit_and_closes_on_a_signal(
    database: Database, tmp_path: Path
) -> None:
    environ = os.environ | {"DATABASE_URL": database.admin_dsn, "COUNTERFOIL_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "api.cli"]
    house = subprocess.Popen(
        [*command, "up", "--sandbox", "--port", "0", "--json"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert house.stdout is not None
        told = json.loads(house.stdout.readline())

        def token(*words: str) -> str:
            asked = [*command, "token", *words]
            return subprocess.run(
                asked, env=environ, capture_output=True, check=True, text=True, timeout=START_S
            ).stdout.strip()

        with httpx.Client(base_url=told["api"], timeout=START_S) as http:
            person = {
                "residence": "CY",
                "category": "retail",
                "account_currency": "EUR",
                "name_ref": "crm:1",
            }
            client = _write(http, token("crm"), "/v1/clients", person)["client"]
            theirs = token("client", "--client", client)
            body = {
                "client": client,
                "amount": "25.00",
                "currency": "EUR",
                "provider": "stripe",
                "merchant_account": MERCHANT,
                "method": "card",
            }
            paid = _write(http, theirs, "/v1/deposits", body)
            httpx.post(f"{told['stripe']}/_sim/pay", json={"intent": paid["reference"]})
            assert _available(http, theirs, client) == "25.00"
        house.send_signal(signal.SIGTERM)
        assert house.wait(START_S) == 0
    finally:
        house.kill()
        house.wait()
        assert house.stdout is not None
        house.stdout.close()


def _write(http: httpx.Client, token: str, path: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
    answer = http.post(path, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _available(http: httpx.Client, token: str, client: str) -> str:
    """Ask until the webhook came and was merged."""
    available = ""
    for _ in range(200):
        found = http.get(
            f"/v1/clients/{client}/wallets", headers={"Authorization": f"Bearer {token}"}
        )
        for wallet in found.json().get("wallets", []):
            available = str(wallet["available"])
            if available != "0.00":
                return available
        signal.sigtimedwait([], 0.1)
    return available


def test_a_token_of_the_sandbox_opens_the_doors_of_its_role(
    shared: Street, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["token", "finance", "--home", str(shared.house.settings.home)])
    token = capsys.readouterr().out.strip()
    headers = {"Authorization": f"Bearer {token}"}

    assert shared.http.get("/v1/trial-balance", headers=headers).status_code == 200
    assert shared.http.get("/metrics", headers=headers).status_code == 403
    assert main(["token", Role.CLIENT.value, "--home", str(shared.house.settings.home)]) == 2
