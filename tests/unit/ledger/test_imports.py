"""What becomes of a row of another system, and which rows are refused."""

from __future__ import annotations

from datetime import timedelta, timezone
from uuid import UUID

import pytest

from ledger.errors import Conflict, InsufficientFunds, InvalidInput
from ledger.facts import EntryPosted, WalletCredited, WalletDebited, WalletOpened
from ledger.ids import ClientId, EntityId
from ledger.imports import ImportedLeg, ImportedRow, import_command, import_stream
from ledger.wallet import freeze, wallet
from tests.support import NOON, Books

ENTITY = EntityId("acme-cy")
CLIENT = ClientId(UUID("00000000-0000-4000-8000-00000000000c"))
WALLET = f"client:wallet:{CLIENT}"
BANK, CLEARING = "bank:client:main", "psp:clearing:stripe-eu"


def row(*legs: tuple[str, str], reference: str = "r1", text: str = "opening") -> ImportedRow:
    postings = tuple(ImportedLeg(account, "EUR", amount) for account, amount in legs)
    return ImportedRow(reference, NOON, text, postings)


def taken(books: Books, imported: ImportedRow) -> list[object]:
    command = import_command(ENTITY, "old", imported, NOON)
    return list(books.do(command.decide, at=command.at))


def test_a_row_that_moves_a_wallet_opens_and_credits_it() -> None:
    books = Books()
    facts = taken(books, row((BANK, "12.50"), (WALLET, "-12.50")))
    assert [type(fact) for fact in facts] == [WalletOpened, WalletCredited]
    assert books.state(wallet(ENTITY, CLIENT, "EUR")).available == 12_50
    assert books.balances() == {(BANK, "EUR"): 12_50, (WALLET, "EUR"): -12_50}


def test_a_row_that_takes_from_a_wallet_debits_it() -> None:
    books = Books()
    taken(books, row((BANK, "12.50"), (WALLET, "-12.50")))
    facts = taken(books, row((WALLET, "2.50"), (BANK, "-2.50"), reference="r2"))
    assert [type(fact) for fact in facts] == [WalletDebited]
    assert books.state(wallet(ENTITY, CLIENT, "EUR")).available == 10_00


def test_a_row_that_moves_no_wallet_stands_on_the_stream_of_its_source() -> None:
    books = Books()
    facts = taken(books, row((BANK, "3.00"), (CLEARING, "-3.00")))
    assert [type(fact) for fact in facts] == [EntryPosted]
    assert books.state(import_stream(ENTITY, "old")).entries == 1


def test_refuses_to_overdraw_a_wallet() -> None:
    with pytest.raises(InsufficientFunds):
        taken(Books(), row((WALLET, "2.50"), (BANK, "-2.50")))


def test_refuses_to_take_from_a_frozen_wallet() -> None:
    books = Books()
    taken(books, row((BANK, "12.50"), (WALLET, "-12.50")))
    books.do(freeze, ENTITY, CLIENT, "EUR", "asked for")
    with pytest.raises(Conflict):
        taken(books, row((WALLET, "2.50"), (BANK, "-2.50"), reference="r2"))


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        (((BANK, "1.00"), (CLEARING, "-2.00")), "entry_unbalanced"),
        (((BANK, "1.00"),), "entry_size"),
        (((BANK, "1.001"), (CLEARING, "-1.001")), "too_many_decimals"),
        (((BANK, "1e2"), (CLEARING, "-1e2")), "amount_malformed"),
        (((BANK, "--1"), (CLEARING, "1")), "amount_malformed"),
        (((BANK, "0"), (CLEARING, "0")), "amount_not_positive"),
        ((("bank:nobody", "1"), (CLEARING, "-1")), "unknown_account"),
        ((("client:wallet:x", "1"), (CLEARING, "-1")), "unknown_account"),
        (((f"client:held:{CLIENT}", "1"), (CLEARING, "-1")), "import_account"),
        (((f"client:unconverted:{CLIENT}", "1"), (CLEARING, "-1")), "import_account"),
        (((WALLET, "1"), (WALLET, "-1")), "import_wallets"),
    ],
)
def test_refuses_what_no_entry_may_say(legs: tuple[tuple[str, str], ...], code: str) -> None:
    books = Books()
    with pytest.raises(InvalidInput) as refused:
        taken(books, row(*legs))
    assert refused.value.public_code == code
    assert not books.told


def test_refuses_a_row_without_a_zone_or_from_the_future_or_without_a_name() -> None:
    good = row((BANK, "1"), (CLEARING, "-1"))
    late = NOON - timedelta(seconds=1)
    naive = ImportedRow("r1", NOON.replace(tzinfo=None), "opening", good.postings)
    for imported, now in ((good, late), (naive, NOON)):
        with pytest.raises(InvalidInput):
            import_command(ENTITY, "old", imported, now)
    for wrong in ("", "a\0b", "x" * 129):
        with pytest.raises(InvalidInput):
            import_command(ENTITY, "old", row((BANK, "1"), reference=wrong), NOON)
        with pytest.raises(InvalidInput):
            import_command(ENTITY, wrong, good, NOON)


def test_the_same_row_has_the_same_key_whatever_the_zone_of_its_time() -> None:
    good = row((BANK, "1"), (CLEARING, "-1"))
    there = NOON.astimezone(timezone(timedelta(hours=2)))
    moved = ImportedRow("r1", there, "opening", good.postings)
    first, second = (import_command(ENTITY, "old", one, NOON) for one in (good, moved))
    assert first.key == second.key
    assert first.contents == second.contents
    other = import_command(ENTITY, "other", good, NOON)
    assert other.key != first.key
