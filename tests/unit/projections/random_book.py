"""A large random book: every kind of money, amounts of any size, entries in any order of days."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.chart import KINDS, Account, Owner
from tests.unit.projections.house import ENTITY, START, House, client_number, legs

if TYPE_CHECKING:
    from ledger.chart import AccountKind

ENTRIES = 2_000
CURRENCIES = ("EUR", "USD", "JPY", "KWD", "BTC", "ETH", "USDT.ERC20")
DAYS = 400


def random_book(seed: int, entries: int = ENTRIES) -> House:
    """Post entries of two to five legs over all kinds of accounts."""
    chance, house = random.Random(seed), House()
    accounts = [path for kind in KINDS.values() for path in _accounts(kind)]
    for _ in range(entries):
        currency, then = chance.choice(CURRENCIES), chance.randrange(DAYS * 24)
        among = chance.sample(accounts, chance.randint(2, 5))
        moved = [
            chance.choice((-1, 1)) * chance.randrange(1, 10 ** chance.randint(1, 20))
            for _ in among[1:]
        ]
        if sum(moved) == 0:
            continue
        pairs = zip(among, (*moved, -sum(moved)), strict=True)
        postings = legs(*((account, currency, minor) for account, minor in pairs))
        house.post(*postings, at=START + timedelta(hours=then))
    return house


def _accounts(kind: AccountKind) -> list[Account]:
    path = f"{ENTITY}:{kind.name}"
    match kind.owner:
        case Owner.CLIENT:
            return [Account(f"{path}:{client_number(number)}") for number in range(1, 8)]
        case Owner.MERCHANT_ACCOUNT | Owner.BANK_ACCOUNT:
            return [Account(f"{path}:{name}") for name in ("main", "Main", "one.two", "one_two")]
        case Owner.NOBODY:
            return [Account(path)]
