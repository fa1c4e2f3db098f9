"""A client's account at a trading platform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from clients.client import require_client
from clients.facts import AccountType, BookFlag, Platform, TradingAccountLinked
from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, InvalidInput
from ledger.ids import ClientId, EntityId, child_id

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_LOGIN = re.compile(r"[1-9][0-9]{0,19}")
_GROUP = re.compile(r"[A-Za-z0-9._\\-]{1,64}")
_PROP: AbstractSet[AccountType] = frozenset({AccountType.CHALLENGE, AccountType.FUNDED})


class TradingAccountState(msgspec.Struct, frozen=True):
    """Whose login it is, and how its money counts."""

    client: ClientId | None = None
    account_type: AccountType = AccountType.DEMO
    book: BookFlag = BookFlag.B
    programme: str | None = None


def evolve(state: TradingAccountState, fact: Fact) -> TradingAccountState:
    """Fold one fact into the trading account."""
    match fact:
        case TradingAccountLinked():
            return TradingAccountState(fact.client, fact.account_type, fact.book, fact.programme)
        case _:
            return state


TRADING_ACCOUNT: Kind[TradingAccountState] = Kind("trading-account", TradingAccountState(), evolve)


def trading_account(
    entity: EntityId, platform: Platform, login: str
) -> Stream[TradingAccountState]:
    """Name a trading account: a login is unique per entity and platform."""
    return TRADING_ACCOUNT(child_id(UUID(int=0), entity, "trading-account", platform, login))


def link(
    decision: Decision,
    client: ClientId,
    entity: EntityId,
    *,
    platform: Platform,
    login: str,
    group: str,
    account_type: AccountType,
    book: BookFlag,
    programme: str | None,
) -> None:
    """Link a platform login to the client. A prop account names its programme, no other does."""
    require_client(decision, client, entity)
    if not _LOGIN.fullmatch(login):
        raise InvalidInput("a login is 1-20 digits", code="bad_login")
    if not _GROUP.fullmatch(group):
        raise InvalidInput("a group is 1-64 of A-Z a-z 0-9 . _ \\ -", code="bad_group")
    if (programme is not None) != (account_type in _PROP):
        raise InvalidInput("a prop account names its programme", code="bad_programme")
    stream = trading_account(entity, platform, login)
    if decision.get(stream).client is not None:
        raise Conflict("the login is linked already", code="already_linked")
    decision.record(
        stream,
        TradingAccountLinked(
            client=client,
            platform=platform,
            login=login,
            group=group,
            account_type=account_type,
            book=book,
            programme=programme,
        ),
    )
