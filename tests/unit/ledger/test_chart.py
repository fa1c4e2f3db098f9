"""The chart: a path names one account of one entity, or nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.chart import (
    KINDS,
    Account,
    Owner,
    Side,
    bank_account,
    check_account,
    client_account,
    entity_of,
    house_account,
    kind_of,
    merchant_account,
    owner_of,
    wallet_accounts,
)
from ledger.errors import InvalidInput
from ledger.ids import ClientId, EntityId

if TYPE_CHECKING:
    from collections.abc import Callable

ACME = EntityId("acme-cy")
ANNA = ClientId(UUID(int=0xA11A))
MAKERS: dict[Owner, Callable[[str], Account]] = {
    Owner.CLIENT: lambda kind: client_account(ACME, kind, ANNA),
    Owner.MERCHANT_ACCOUNT: lambda kind: merchant_account(ACME, kind, "stripe-eu"),
    Owner.BANK_ACCOUNT: lambda kind: bank_account(ACME, kind, "boc.eur_1"),
    Owner.NOBODY: lambda kind: house_account(ACME, kind),
}


@pytest.mark.parametrize("kind", KINDS)
def test_reads_back_every_kind_of_path(kind: str) -> None:
    path = MAKERS[KINDS[kind].owner](kind)
    check_account(path)
    assert kind_of(path) is KINDS[kind]
    assert entity_of(path) == ACME
    assert (owner_of(path) is None) == (KINDS[kind].owner is Owner.NOBODY)


def test_tells_whose_account_it_is() -> None:
    assert owner_of(client_account(ACME, "client:wallet", ANNA)) == str(ANNA)
    assert owner_of(merchant_account(ACME, "psp:clearing", "stripe-eu")) == "stripe-eu"
    assert owner_of(house_account(ACME, "fx:position")) is None


def test_names_what_a_wallet_has_in_the_order_available_held_owed() -> None:
    kinds = [kind_of(account).name for account in wallet_accounts(ACME, ANNA)]
    assert kinds == ["client:wallet", "client:held", "client:receivable"]


@pytest.mark.parametrize("kind", KINDS)
def test_naming_an_account_for_another_kind_of_owner_is_a_bug(kind: str) -> None:
    for owner, make in MAKERS.items():
        if owner is not KINDS[kind].owner:
            with pytest.raises(AssertionError):
                make(kind)


def test_client_money_is_what_we_owe_to_clients() -> None:
    owed = {name for name, kind in KINDS.items() if kind.client_money}
    assert owed == {
        "client:wallet",
        "client:held",
        "client:unconverted",
        "client:suspense",
        "client:returned",
        "payout:in-transit",
    }
    assert all(KINDS[name].normal is Side.CREDIT and not KINDS[name].flips for name in owed)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ":",
        "acme-cy",
        "acme-cy:",
        "acme-cy:client",
        "acme-cy:client:wallet",
        "acme-cy:client:wallet:",
        "acme-cy:client:wallet:a:b",
        "acme-cy:client:wallet: a",
        "acme-cy:client:wallet:a\n",
        "acme-cy:client:wallet:" + "a" * 65,
        "acme-cy:client:wallets:a",
        "acme-cy:fx:position:usd",
        "acme-cy:fx:position:",
        "acme-cy:FX:position",
        "Acme:fx:position",
        "a:fx:position",
        ":fx:position",
        "acme-cy\n:fx:position",
        "acme_cy:fx:position",
        "9acme:fx:position",
        "a" * 33 + ":fx:position",
    ],
)
def test_refuses_paths_that_are_none(path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_account(Account(path))
    assert refused.value.public_code == "unknown_account"


@given(st.text(max_size=60))
def test_every_text_is_an_account_or_refused(text: str) -> None:
    try:
        kind = kind_of(text)
    except InvalidInput:
        return
    assert text.split(":", 1)[1].startswith(kind.name)


@given(
    st.sampled_from(sorted(KINDS)),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
)
def test_a_path_is_read_as_it_was_named(name: str, owner: str) -> None:
    path = f"acme-cy:{name}" + ("" if KINDS[name].owner is Owner.NOBODY else f":{owner}")
    assert kind_of(path).name == name
    assert owner_of(Account(path)) in {None, owner}
