"""Beancount, a program of its own, reads the export and agrees with every balance."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.assets import ASSETS
from ledger.chart import Account
from ledger.money import Money
from projections.beancount import Names, beancount
from projections.replay import fold_balances
from tests.unit.projections.random_book import random_book

if TYPE_CHECKING:
    from tests.unit.projections.house import House

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
AFTER_ALL = "2100-01-01"
SEED = 7


@pytest.fixture(scope="module")
def house() -> House:
    return random_book(SEED)


def claims(house: House, names: Names, off: tuple[str, str] | None = None) -> str:
    """Claim every balance, to the last minor unit; `off` names one to claim a unit too high."""
    lines = []
    for (account, currency), minor in fold_balances(house.events).items():
        amount = Money(minor + ((account, currency) == off), currency).text()
        lines.append(f"{AFTER_ALL} balance {names[Account(account)]}  {amount} ~ 0 {currency}\n")
    return "".join(lines)


def complaints(text: str, folder: Path) -> str:
    """What beancount complains of; nothing where every entry balances and every claim is true."""
    path = folder / "book.beancount"
    path.write_text(text, "utf-8")
    done = subprocess.run(
        [BEAN_CHECK, "--no-cache", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == (not done.stderr), done
    return done.stderr


def test_beancount_comes_to_the_same_balances(house: House, tmp_path: Path) -> None:
    names = Names()
    journal = "".join(beancount(house.events, names))
    balances = fold_balances(house.events)

    assert len(balances) > 200
    assert complaints(journal + claims(house, names), tmp_path) == ""


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD", "ETH"])
def test_control_a_balance_that_is_one_unit_off_is_noticed(
    house: House, tmp_path: Path, currency: str
) -> None:
    names = Names()
    journal = "".join(beancount(house.events, names))
    off = next(key for key in fold_balances(house.events) if key[1] == currency)

    said = complaints(journal + claims(house, names, off), tmp_path)

    assert said.count("Balance failed") == 1
    assert names[Account(off[0])] in said


def test_control_a_changed_amount_is_noticed(house: House, tmp_path: Path) -> None:
    names = Names()
    journal = "".join(beancount(house.events, names))
    line = next(line for line in journal.splitlines() if line.endswith(" EUR"))
    account, amount, _ = line.split()
    changed = journal.replace(line, f"  {account}  {amount[:-1]}{9 - int(amount[-1])} EUR", 1)

    said = complaints(changed + claims(house, names), tmp_path)

    assert "does not balance" in said
    assert "Balance failed" in said


def test_accounts_that_beancount_would_confuse_keep_names_of_their_own() -> None:
    names = Names()
    paths = [
        Account(f"acme-cy:bank:client:{owner}") for owner in ("main", "Main", "a.b", "a_b", "a-b")
    ]

    found = [names[path] for path in paths]

    assert found == [names[path] for path in paths]
    assert len(set(found)) == len(paths)
    assert found[1] == "Assets:Acme-cy:Bank:Client:Main-2"


def test_an_account_opens_with_its_own_path(house: House) -> None:
    journal = "".join(beancount(house.events))

    assert '1970-01-01 open Equity:Acme-cy:Fx:Position\n  account: "acme-cy:fx:position"' in journal


def test_beancount_takes_the_name_of_every_asset(tmp_path: Path) -> None:
    opened = "".join(f"1970-01-01 commodity {name}\n" for name in ASSETS)

    assert complaints(opened, tmp_path) == ""
