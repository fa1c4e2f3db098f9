"""Clients and their trading accounts: known by reference, of one entity, linked once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from clients import client as clients
from clients import trading_account as accounts
from clients.facts import (
    AccountType,
    ActivityKind,
    ActivityNoted,
    BookFlag,
    Category,
    Platform,
)
from ledger.errors import Conflict, InvalidInput, NotFound, Refusal
from ledger.ids import ClientId, EntityId
from tests.support import NOON, Books

ENTITY = EntityId("acme-cy")
ELSEWHERE = EntityId("acme-uk")
CLIENT = ClientId(UUID(int=1))
OTHER = ClientId(UUID(int=2))


def register(books: Books, client: ClientId = CLIENT, **changes: Any) -> None:
    said: dict[str, Any] = {
        "residence": "CY",
        "category": Category.RETAIL,
        "account_currency": "USD",
        "name_ref": "crm:4711",
    } | changes
    books.do(clients.register, client, ENTITY, **said)


def link(books: Books, client: ClientId = CLIENT, **changes: Any) -> None:
    said: dict[str, Any] = {
        "platform": Platform.MT5,
        "login": "100200",
        "group": "real\\usd-b",
        "account_type": AccountType.LIVE,
        "book": BookFlag.B,
        "programme": None,
    } | changes
    entity = said.pop("entity", ENTITY)
    books.do(accounts.link, client, entity, **said)


def refusal(act: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(Refusal) as refused:
        act(*args, **named)
    return refused.value.public_code


def test_a_client_is_registered_once_with_one_entity() -> None:
    books = Books()
    register(books)
    assert refusal(register, books) == "already_registered"
    found: list[clients.ClientState] = []
    books.do(lambda d: found.append(clients.require_client(d, CLIENT, ENTITY)))
    assert found[0].account_currency == "USD"
    for client, entity in ((CLIENT, ELSEWHERE), (OTHER, ENTITY)):
        with pytest.raises(NotFound):
            books.do(clients.require_client, client, entity)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"residence": "cy"}, "bad_country"),
        ({"residence": "CYP"}, "bad_country"),
        ({"residence": "CY\n"}, "bad_country"),
        ({"account_currency": "HRK"}, "currency_retired"),
        ({"account_currency": "XXL"}, "unknown_currency"),
        ({"name_ref": "Anna Schmidt"}, "bad_reference"),
        ({"name_ref": ""}, "bad_reference"),
        ({"name_ref": "x" * 65}, "bad_reference"),
        ({"name_ref": "crm:1\x00"}, "bad_reference"),
    ],
)
def test_refuses_what_cannot_be_a_registration(changes: dict[str, str], code: str) -> None:
    books = Books()
    assert refusal(register, books, **changes) == code
    assert books.told == []


def test_activity_is_told_by_reference_at_its_own_time() -> None:
    books = Books()
    register(books)
    books.do(
        clients.note_activity,
        CLIENT,
        ENTITY,
        ActivityKind.LOGIN,
        happened_at=NOON,
        ip_ref="ip:9f",
        at=NOON.replace(hour=13),
    )
    assert books.told[-1].at == NOON
    for client, reference, kind in (
        (OTHER, "ip:9f", NotFound),
        (CLIENT, "10.0.0.1 ", InvalidInput),
    ):
        with pytest.raises(kind):
            books.do(
                clients.note_activity,
                client,
                ENTITY,
                ActivityKind.LOGIN,
                happened_at=NOON,
                ip_ref=reference,
            )
    assert len(books.all(ActivityNoted)) == 1


def test_a_login_belongs_to_one_client_of_an_entity_and_platform() -> None:
    books = Books()
    register(books)
    register(books, OTHER)
    link(books)
    assert refusal(link, books, OTHER) == "already_linked"
    assert refusal(link, books) == "already_linked"
    link(books, OTHER, platform=Platform.MT4)
    state = books.state(accounts.trading_account(ENTITY, Platform.MT5, "100200"))
    assert (state.client, state.book) == (CLIENT, BookFlag.B)
    assert books.state(accounts.trading_account(ELSEWHERE, Platform.MT5, "100200")).client is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"login": "0100"}, "bad_login"),
        ({"login": "١٢٣"}, "bad_login"),
        ({"login": "1" * 21}, "bad_login"),
        ({"group": "real usd"}, "bad_group"),
        ({"account_type": AccountType.CHALLENGE}, "bad_programme"),
        ({"programme": "100k"}, "bad_programme"),
        ({"entity": ELSEWHERE}, "no_such_client"),
    ],
)
def test_refuses_what_cannot_be_a_trading_account(changes: dict[str, Any], code: str) -> None:
    books = Books()
    register(books)
    assert refusal(link, books, **changes) == code


def test_a_prop_account_names_its_programme() -> None:
    books = Books()
    register(books)
    for number, kind in enumerate((AccountType.CHALLENGE, AccountType.FUNDED), 1):
        link(books, login=str(number), account_type=kind, programme="100k")
    with pytest.raises(Conflict):
        link(books, login="1")
