"""Who looked at this account, what did this one do, and what happened in that hour."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from api.cli import main
from api.house.checkpoint_keys import trusted_keys
from api.identity.scopes import Role
from ledger.access import EVERYONE
from ledger.checkpoints import verifier_key
from tests.integration.access.scene import checkpoint_access
from tests.integration.api.street import ENTITY

if TYPE_CHECKING:
    from tests.integration.access.conftest import Played

TOOL = Path(__file__).resolve().parents[3] / "tools" / "verify_access.py"
ORIGIN = f"counterfoil/{ENTITY}/access"


def asked(played: Played, **query: Any) -> list[Any]:
    """Ask page by page, three records a page."""
    rows: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = played.street.see(Role.AUDIT, "/v1/access", limit=50, **query, **cursor)
        rows += page["items"]
        if page["cursor"] is None:
            return rows
        cursor = {"cursor": page["cursor"]}


def test_who_looked_at_a_client_is_told_and_who_looked_at_others_is_not(played: Played) -> None:
    street = played.street
    street.see(Role.FINANCE, f"/v1/clients/{played.ann}/wallets")
    street.see(Role.FINANCE, f"/v1/clients/{played.ben}/wallets")
    street.look(Role.CLIENT, f"/v1/deposits/{played.deposit}", whose=played.ben)
    rows = asked(played, client=played.ann)

    routes = [(row["route"], row["outcome"]) for row in rows]
    assert ("/v1/clients/{client}/wallets", "granted") in routes
    assert ("/v1/deposits/{deposit}", "denied") in routes, "an attempt at a payment of hers"
    for row in rows:
        mine = {played.ann, played.deposit, played.withdrawal, EVERYONE}
        named = " ".join((*row["clients"], *row["accounts"], *row["things"], row["target"]))
        assert any(name in named for name in mine), row
    assert [row["position"] for row in rows] == sorted({row["position"] for row in rows})


def test_what_one_identity_did_is_told(played: Played) -> None:
    played.street.see(Role.CRM, f"/v1/clients/{played.ben}")
    rows = asked(played, subject="service:crm")

    assert rows
    assert {row["subject"] for row in rows} == {"service:crm"}
    assert asked(played, subject="service:nobody") == []


def test_a_time_is_cut_at_both_ends(played: Played) -> None:
    now = datetime.now(UTC)
    early, late = now - timedelta(hours=1), now + timedelta(hours=1)
    span = {"from": early.isoformat(), "to": late.isoformat()}

    assert asked(played, **span)
    assert asked(played, **{"from": late.isoformat()}) == []
    assert asked(played, to=early.isoformat()) == []
    turned = played.street.look(
        Role.AUDIT, "/v1/access", **{"from": late.isoformat(), "to": early.isoformat()}
    )
    assert turned.status_code == 422


def test_whoever_reads_the_access_log_stands_in_it(played: Played) -> None:
    asked(played, client=played.ben)
    rows = asked(played, client=played.ben)

    assert rows[-1]["route"] == "/v1/access"
    assert rows[-1]["fields"] == ["access records"]


@pytest.mark.parametrize("role", [Role.FINANCE, Role.OPERATIONS, Role.CRM, Role.RISK])
def test_others_do_not_read_the_access_log(played: Played, role: Role) -> None:
    assert played.street.look(role, "/v1/access").status_code == 403


def test_a_cursor_of_another_question_is_refused(played: Played) -> None:
    page = played.street.see(Role.AUDIT, "/v1/access", limit=1)
    other = played.street.look(Role.AUDIT, "/v1/access", client=played.ann, cursor=page["cursor"])

    assert other.json()["code"] == "bad_cursor"


def test_the_worker_and_its_calls_outward_are_records(played: Played) -> None:
    played.street.pay_in(played.ann, "5.00", "EUR")
    rows = asked(played, subject="service:worker")
    rounds = [row for row in rows if row["route"] == "worker"]
    calls = [row for row in asked(played) if row["route"] == "stripe/stripe-eu"]

    assert {row["outcome"] for row in rounds} == {"begun", "granted"}
    assert any(played.ann in row["clients"] for row in rounds if row["outcome"] == "granted")
    assert {row["service"] for row in rounds} == {"service:worker"}
    assert calls
    assert {"read", "change"} >= {row["action"] for row in calls}
    assert not any("sk_test" in json.dumps(row) for row in calls)
    announced = next(row for row in calls if row["target"] == "/v1/payment_intents")
    asking = next(
        row
        for row in asked(played)
        if row["request_id"] == announced["request_id"]
        and row["method"] == "POST"
        and row["route"] == "/v1/deposits"
    )
    assert asking["clients"], "a call outward leads to the request that it was made for"


def type_(played: Played, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setenv("DATABASE_URL", played.database.admin_dsn)
    monkeypatch.delenv("COUNTERFOIL_CONFIG", raising=False)
    return main([*words, "--home", str(played.home)])


def test_the_command_line_tells_the_same(
    played: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = asked(played, client=played.ann)
    capsys.readouterr()
    code = type_(played, monkeypatch, "access", "--client", played.ann, "--json")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert code == 0
    assert [row["position"] for row in told][: len(rows)] == [row["position"] for row in rows]
    assert told[-1]["subject"].startswith("cli:")
    assert told[-1]["did"] == ["typed access"]


def exported(
    played: Played, monkeypatch: pytest.MonkeyPatch, out: Path, *, checkpointed: bool = True
) -> list[str]:
    if checkpointed:
        checkpoint_access(played.street.house)
    assert type_(
        played, monkeypatch, "access", "export", "--client", played.ann, "--out", str(out)
    ) == 0  # fmt: skip
    return Path(f"{out}.jsonl").read_text("utf-8").splitlines()


def judged(played: Played, lines: list[str], folder: Path) -> tuple[int, str]:
    """Let the stand-alone file judge an export."""
    path = folder / "judged.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    settings = played.street.house.settings
    key = verifier_key(ORIGIN, trusted_keys(settings)[0].public)
    command = [sys.executable, "-I", str(TOOL), str(path), "--key", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_an_export_is_believed_by_a_stranger(
    played: Played, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = exported(played, monkeypatch, tmp_path / "ann")
    code, words = judged(played, lines, tmp_path)
    with (tmp_path / "ann.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))

    assert code == 0, words
    assert len(table) == len(lines) - 1 > 3
    assert sum(json.loads(line)["proof"] is not None for line in lines[1:]) > 3


@pytest.mark.parametrize("harm", ["state", "removed", "moved", "proof", "time", "note", "twice"])
def test_an_export_that_was_touched_is_not_believed(
    played: Played, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, harm: str
) -> None:
    head, *rows = exported(played, monkeypatch, tmp_path / "ann")
    row = json.loads(rows[1])
    match harm:
        case "state":
            row["state"] = json.loads(rows[0])["state"]
        case "removed":
            rows[1:2] = []
        case "moved":
            row["position"] -= 1
        case "proof":
            row["proof"] = row["proof"][::-1]
        case "time":
            row["recorded_us"] += 1
        case "note":
            head = head.replace("access\\n", "access\\n1")
        case _:
            rows[1] = rows[0]
    if harm in {"state", "moved", "proof", "time"}:
        rows[1] = json.dumps(row)
    code, words = judged(played, [head, *rows], tmp_path)

    assert code == 1, words


def test_the_index_is_no_business_of_who_reads_the_books(played: Played) -> None:
    for role in ("finance_reader", "book_writer"):
        with (
            psycopg.connect(played.database.dsn(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT count(*) FROM read.access_index")
    with psycopg.connect(played.database.dsn("audit_reader")) as connection:
        row = connection.execute("SELECT count(*) FROM read.access_index").fetchone()
    assert row is not None
    assert row[0] > 0
