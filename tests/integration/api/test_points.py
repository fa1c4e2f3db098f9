"""`replay --to` and `diff`: the books at a point and between two, for people and for programs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from api.cli import main
from tests.integration.projections.house import StoredHouse
from tests.unit.projections.house import CLEARING, ENTITY, START, legs

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.database.roles import Database

BANK = "acme-cy:bank:house:main"
NOON = START + timedelta(hours=3)
HOUR = timedelta(hours=1)


class Books:
    """Three entries: one of the morning, one of the afternoon, and a backdated one that evening."""

    def __init__(self, database: Database, home: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.house = StoredHouse(database)
        self._home, self._capture = home, capture
        for currency, minor, hours, ago in (
            ("EUR", 5_00, 1, 0),
            ("JPY", 70, 5, 0),
            ("KWD", 1, 9, 8),
        ):
            self.house.now = START + hours * HOUR
            at = self.house.now - ago * HOUR
            self.house.post(*legs((BANK, currency, minor), (CLEARING, currency, -minor)), at=at)
        self.house.write()

    def type(self, *words: str) -> tuple[int, str, str]:
        """Type a command: its exit code, what it wrote, what it complained of."""
        self._capture.readouterr()
        code = main([*words, "--home", str(self._home), "--entity", ENTITY])
        told = self._capture.readouterr()
        return code, told.out, told.err

    def ask(self, *words: str) -> Any:
        """Type a command that succeeds and read its JSON."""
        code, out, complaint = self.type(*words, "--json")
        assert code == 0, complaint
        return json.loads(out)


@pytest.fixture
def books(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Books:
    monkeypatch.setenv("DATABASE_URL", database.admin_dsn)
    monkeypatch.delenv("COUNTERFOIL_CONFIG", raising=False)
    return Books(database, tmp_path, capsys)


def held(told: dict[str, Any]) -> dict[str, str]:
    return {b["currency"]: b["amount"] for b in told["balances"] if b["account"] == BANK}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["2"], {"EUR": "5.00"}),
        (["4"], {"EUR": "5.00", "JPY": "70", "KWD": "0.001"}),
        (["0"], {}),
        ([NOON.isoformat()], {"EUR": "5.00"}),
        ([NOON.isoformat(), "--effective"], {"EUR": "5.00", "KWD": "0.001"}),
        (["2099-01-01"], {"EUR": "5.00", "JPY": "70", "KWD": "0.001"}),
    ],
)
def test_shows_what_every_account_held_at_a_point(
    books: Books, words: list[str], expected: dict[str, str]
) -> None:
    told = books.ask("replay", "--to", *words)

    assert held(told) == expected
    assert sum(b["minor"] for b in told["balances"]) == 0


def test_shows_a_point_to_people(books: Books) -> None:
    code, out, _ = books.type("replay", "--to", "3")

    assert code == 0
    assert "5.00" in out
    assert "4 balances at position 3" in out


def test_tells_what_changed_between_two_points_and_because_of_what(books: Books) -> None:
    told = books.ask("diff", "2", "3")
    (moved,) = [each for each in told["accounts"] if each["account"] == BANK]

    assert (moved["currency"], moved["before"], moved["moved"], moved["after"]) == (
        "JPY",
        0,
        70,
        70,
    )
    assert moved["moved_amount"] == "70"
    assert [change["position"] for change in moved["changes"]] == [3]
    assert moved["changes"][0]["fact"] == "ledger.entry-posted"


def test_a_backdated_entry_is_between_two_effective_times_and_not_between_two_recorded_ones(
    books: Books,
) -> None:
    span = (START.isoformat(), NOON.isoformat())

    recorded = books.ask("diff", *span)
    effective = books.ask("diff", *span, "--effective")

    assert {each["currency"] for each in recorded["accounts"]} == {"EUR"}
    assert {each["currency"] for each in effective["accounts"]} == {"EUR", "KWD"}


def test_shows_a_difference_to_people_on_the_accounts_own_sides(books: Books) -> None:
    code, out, _ = books.type("diff", "1", "4", "--last", "1")

    assert code == 0
    assert f"{BANK} EUR: 0.00 → 5.00" in out
    assert "(position 2, ledger.entry-posted, by tests)" in out
    assert "6 balances moved between at position 1 and at position 4" in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["replay", "--to", "9000"], "point_beyond_head"),
        (["replay", "--to", "-1"], "point_unreadable"),
        (["replay", "--to", "yesterday"], "point_unreadable"),
        (["replay", "--to", "3", "--effective"], "points_mixed"),
        (["diff", "3", "9000"], "point_beyond_head"),
        (["diff", "3", "2"], "points_reversed"),
        (["diff", "2026-03-03", "2026-03-02", "--effective"], "points_reversed"),
    ],
)
def test_a_point_that_is_none_is_refused_under_its_code(
    books: Books, words: list[str], code: str
) -> None:
    left, out, complaint = books.type(*words)

    assert (left, out) == (2, "")
    assert complaint.endswith(f"[{code}]\n")
