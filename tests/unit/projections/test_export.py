"""Exports: exact, in the order of the log, and the same balances in another program's hands."""

from __future__ import annotations

import csv
import shutil
import subprocess
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from projections.export import csv_lines, hledger
from projections.replay import fold_balances
from tests.unit.projections.house import CLEARING, START, House, legs
from tests.unit.projections.random_book import random_book

if TYPE_CHECKING:
    from pathlib import Path

BANK = "acme-cy:bank:house:main"
SEED = 11
NEEDS_HLEDGER = pytest.mark.skipif(
    shutil.which("hledger") is None, reason="hledger is not installed (apt: hledger)"
)


@pytest.fixture
def house() -> House:
    """Amounts of 0 to 18 decimals, a conversion, and a currency whose name has a dot."""
    house = House()
    client = house.register(1)
    house.deposit(1, client, 100_000, "EUR", "USD")
    for currency, minor in (
        ("JPY", 1_000),
        ("KWD", 1_000),
        ("ETH", 123_456_789_012_345_678_901),
        ("USDT.ERC20", 7),
        ("BTC", -1),
        ("EUR", -5),
    ):
        house.post(*legs((BANK, currency, minor), (CLEARING, currency, -minor)))
    return house


def read_csv(house: House) -> list[dict[str, str]]:
    return list(csv.DictReader("".join(csv_lines(house.events)).splitlines()))


def test_csv_adds_up_to_the_balances(house: House) -> None:
    sums: dict[tuple[str, str], int] = {}
    for row in read_csv(house):
        key = (row["account"], row["currency"])
        sums[key] = sums.get(key, 0) + int(row["minor"])

    assert sums == fold_balances(house.events)


def test_csv_amounts_are_exact(house: House) -> None:
    amounts = {(row["account"], row["currency"]): row["amount"] for row in read_csv(house)}

    assert amounts[BANK, "ETH"] == "123.456789012345678901"
    assert amounts[BANK, "JPY"] == "1000"
    assert amounts[BANK, "KWD"] == "1.000"
    assert amounts[BANK, "BTC"] == "-0.00000001"


def test_the_journal_is_the_same_every_time(house: House) -> None:
    assert list(hledger(house.events)) == list(hledger(house.events))


def test_a_transaction_says_where_it_comes_from(house: House) -> None:
    journal = "".join(hledger(house.events))

    assert f"{START.date()} (9) deposit confirmed\n" in journal
    assert f"; recorded:{START.isoformat()}, fact:ledger.wallet-credited, stream:" in journal
    assert "    acme-cy:income:fx-markup  -11.00 USD\n" in journal
    assert 'commodity 0.000000 "USDT.ERC20"\n' in journal
    assert "commodity 0. JPY\n" in journal


def hledger_balances(journal: str, folder: Path) -> dict[tuple[str, str], Decimal]:
    """Ask hledger itself: strict, flat, one line per account and commodity."""
    path = folder / "book.journal"
    path.write_text(journal)
    answer = subprocess.run(
        [
            "hledger",
            "-f",
            path,
            "bal",
            "--strict",
            "--flat",
            "-N",
            "-E",
            "-O",
            "csv",
            "--layout=bare",
        ],
        check=True,
        capture_output=True,
        text=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    return {
        (row["account"], row["commodity"]): Decimal(row["balance"])
        for row in csv.DictReader(answer.stdout.splitlines())
    }


def ours(house: House) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = {}
    for row in read_csv(house):
        key = (row["account"], row["currency"])
        sums[key] = sums.get(key, Decimal(0)) + Decimal(row["amount"])
    return sums


@NEEDS_HLEDGER
def test_hledger_comes_to_the_same_balances(house: House, tmp_path: Path) -> None:
    found = hledger_balances("".join(hledger(house.events)), tmp_path)

    assert {key: amount for key, amount in found.items() if amount} == ours(house)


@NEEDS_HLEDGER
def test_hledger_adds_a_large_random_book_up_to_our_balances(tmp_path: Path) -> None:
    book = random_book(SEED)
    found = hledger_balances("".join(hledger(book.events)), tmp_path)
    expected = ours(book)

    assert len(expected) > 200
    assert {key: amount for key, amount in found.items() if amount} == {
        key: amount for key, amount in expected.items() if amount
    }


@NEEDS_HLEDGER
def test_control_hledger_refuses_a_journal_that_does_not_balance(
    house: House, tmp_path: Path
) -> None:
    journal = "".join(hledger(house.events)).replace("-11.00 USD", "-11.01 USD")

    with pytest.raises(subprocess.CalledProcessError):
        hledger_balances(journal, tmp_path)
