"""Double entry: what does not balance cannot be built, and cannot be read back either."""

from __future__ import annotations

from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.chart import Account, client_account, house_account, merchant_account
from ledger.errors import InvalidInput
from ledger.ids import ClientId, EntityId
from ledger.journal import POSTINGS_MAX, Entry, Posting, credit, debit, entry
from ledger.money import Money, allocate

ACME = EntityId("acme-cy")
CLEARING = merchant_account(ACME, "psp:clearing", "stripe-eu")
WALLET = client_account(ACME, "client:wallet", ClientId(UUID(int=7)))
POSITION = house_account(ACME, "fx:position")
MARKUP = house_account(ACME, "income:fx-markup")


def refusal_of(*postings: Posting) -> str:
    with pytest.raises(InvalidInput) as refused:
        Entry("an entry", postings)
    return refused.value.public_code


def test_balances_each_currency_by_itself() -> None:
    deposit = entry(
        "deposit",
        [
            debit(CLEARING, Money(100_000, "EUR")),
            credit(POSITION, Money(100_000, "EUR")),
            debit(POSITION, Money(109_980, "USD")),
            credit(WALLET, Money(108_880, "USD")),
            credit(MARKUP, Money(1_100, "USD")),
        ],
    )
    assert deposit.change(POSITION, "EUR") == -100_000
    assert deposit.change(POSITION, "USD") == 109_980
    assert deposit.change(WALLET, "USD") == -108_880
    assert deposit.change(WALLET, "EUR") == 0


def test_sums_every_leg_on_one_account() -> None:
    twice = entry(
        "in two parts",
        [
            debit(CLEARING, Money(30, "EUR")),
            credit(WALLET, Money(10, "EUR")),
            credit(WALLET, Money(20, "EUR")),
        ],
    )
    assert twice.change(WALLET, "EUR") == -30
    assert twice.changes((POSITION, WALLET), "EUR") == {POSITION: 0, WALLET: -30}
    assert twice.changes((POSITION, WALLET), "USD") == {POSITION: 0, WALLET: 0}


def test_refuses_what_does_not_balance() -> None:
    whole = (debit(CLEARING, Money(100, "EUR")), credit(WALLET, Money(100, "EUR")))
    assert Entry("balanced", whole).postings == whole
    assert refusal_of(whole[0], credit(WALLET, Money(99, "EUR"))) == "entry_unbalanced"
    assert refusal_of(whole[0], debit(WALLET, Money(100, "EUR"))) == "entry_unbalanced"


def test_refuses_to_balance_one_currency_with_another() -> None:
    assert (
        refusal_of(debit(CLEARING, Money(100, "EUR")), credit(WALLET, Money(100, "USD")))
        == "entry_unbalanced"
    )


def test_refuses_postings_of_nothing_but_leaves_them_out_when_building() -> None:
    nothing = debit(MARKUP, Money.zero("EUR"))
    whole = [debit(CLEARING, Money(1, "EUR")), credit(WALLET, Money(1, "EUR"))]
    assert refusal_of(*whole, nothing) == "entry_zero"
    assert entry("without markup", [*whole, nothing]).postings == tuple(whole)


def test_refuses_entries_of_too_few_or_too_many_legs() -> None:
    assert refusal_of() == "entry_size"
    assert refusal_of(Posting(WALLET, "EUR", 1)) == "entry_size"
    pair = (Posting(WALLET, "EUR", 1), Posting(CLEARING, "EUR", -1))
    most = pair * (POSTINGS_MAX // 2)
    assert len(Entry("the longest", most).postings) == POSTINGS_MAX
    assert refusal_of(*most, *pair) == "entry_size"


def test_refuses_an_entry_that_moves_nothing() -> None:
    with pytest.raises(InvalidInput):
        entry("nothing", [debit(WALLET, Money.zero("EUR")), credit(CLEARING, Money.zero("EUR"))])


def test_refuses_legs_on_no_account() -> None:
    with pytest.raises(InvalidInput) as refused:
        debit(Account("acme-cy:client:piggy-bank:7"), Money(1, "EUR"))
    assert refused.value.public_code == "unknown_account"


def test_a_negative_leg_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        credit(WALLET, Money(-1, "EUR"))


def test_refuses_to_read_back_an_entry_that_does_not_balance() -> None:
    stored = msgspec.json.encode(
        entry("deposit", [debit(CLEARING, Money(100, "EUR")), credit(WALLET, Money(100, "EUR"))])
    )
    assert msgspec.json.decode(stored, type=Entry).change(CLEARING, "EUR") == 100
    forged = stored.replace(b"-100", b"-101")
    assert forged != stored
    with pytest.raises(InvalidInput):
        msgspec.json.decode(forged, type=Entry)


@given(
    st.integers(1, 10**30),
    st.lists(st.integers(1, 100), min_size=1, max_size=20),
    st.sampled_from(["EUR", "JPY", "ETH"]),
)
def test_survives_storing_whatever_the_amounts(
    minor: int, weights: list[int], currency: str
) -> None:
    whole = Money(minor, currency)
    parts = [credit(WALLET, part) for part in allocate(whole, weights)]
    built = entry("a split", [debit(CLEARING, whole), *parts])
    assert msgspec.json.decode(msgspec.json.encode(built), type=Entry) == built
    assert built.change(WALLET, currency) == -minor
