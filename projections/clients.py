"""Clients, their trading accounts, wallets and verification."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from clients.facts import (
    AccountType,
    BookFlag,
    Category,
    ClientRegistered,
    Platform,
    TradingAccountLinked,
)
from compliance.facts import KycApproved, KycExpired, KycRejected, KycRevoked
from compliance.kyc import KycStatus
from ledger.facts import WalletFrozen, WalletOpened, WalletUnfrozen
from projections.pages import one
from projections.rows import Folded, Listed, Table, fetch, known, stream_of

if TYPE_CHECKING:
    from typing import Any

    from psycopg import Connection

    from ledger.decision import Event

CLIENT: Final = "SELECT * FROM read.client WHERE {where}"
TRADING_ACCOUNTS: Final = "SELECT * FROM read.trading_account WHERE client = %s ORDER BY position"
KYC_OF: Final = "SELECT * FROM read.kyc WHERE {where}"


class ClientRow(msgspec.Struct, frozen=True):
    """A registered client. The name stands behind a reference."""

    client: UUID
    entity: str
    residence: str
    category: Category
    account_currency: str
    name_ref: str
    registered_at: datetime
    position: int


class TradingAccountRow(msgspec.Struct, frozen=True):
    """A login at a trading platform."""

    trading_account: UUID
    client: UUID
    platform: Platform
    login: str
    trading_group: str
    account_type: AccountType
    book: BookFlag
    programme: str | None
    linked_at: datetime
    position: int


class WalletRow(msgspec.Struct, frozen=True):
    """A wallet that was opened; its amounts are balances of its accounts."""

    wallet: UUID
    client: UUID
    entity: str
    currency: str
    frozen: bool
    position: int
    changed: int


class KycRow(msgspec.Struct, frozen=True):
    """Where a client's verification stands. Internal: the client is told of documents only."""

    client: UUID
    status: KycStatus
    level: int
    valid_until: datetime | None
    evidence_ref: str | None
    position: int
    changed: int


def _registered(event: Event) -> ClientRow | None:
    fact = event.fact
    if not isinstance(fact, ClientRegistered):
        return None
    return ClientRow(
        fact.client,
        fact.entity,
        fact.residence,
        fact.category,
        fact.account_currency,
        fact.name_ref,
        event.at,
        event.position,
    )


def _linked(event: Event) -> TradingAccountRow | None:
    fact = event.fact
    if not isinstance(fact, TradingAccountLinked):
        return None
    return TradingAccountRow(
        event.stream_id,
        fact.client,
        fact.platform,
        fact.login,
        fact.group,
        fact.account_type,
        fact.book,
        fact.programme,
        event.at,
        event.position,
    )


def _wallet(row: WalletRow | None, event: Event) -> WalletRow:
    match event.fact:
        case WalletOpened(entity=entity, client=client, currency=currency):
            return WalletRow(
                event.stream_id,
                client,
                entity,
                currency,
                frozen=False,
                position=event.position,
                changed=event.position,
            )
        case fact:
            frozen = isinstance(fact, WalletFrozen)
            return msgspec.structs.replace(known(row, event), frozen=frozen, changed=event.position)


def _client_of(event: Event) -> UUID:
    fact = event.fact
    assert isinstance(fact, KycApproved | KycRejected | KycExpired | KycRevoked)
    return fact.client


def _kyc(row: KycRow | None, event: Event) -> KycRow:
    position = event.position if row is None else row.position
    level, valid_until, evidence = 0, None, None
    match event.fact:
        case KycApproved() as fact:
            status, level = KycStatus.APPROVED, fact.level
            valid_until, evidence = fact.valid_until, fact.evidence_ref
        case KycRejected() as fact:
            status = KycStatus.REJECTED_FINAL if fact.final else KycStatus.REJECTED_RETRY
            evidence = fact.evidence_ref
        case KycRevoked() as fact:
            status, evidence = KycStatus.REVOKED, fact.evidence_ref
        case _:
            status = KycStatus.EXPIRED
    return KycRow(_client_of(event), status, level, valid_until, evidence, position, event.position)


CLIENTS: Final = Listed(
    Table("client", ClientRow, "client"), _registered, frozenset({ClientRegistered})
)
TRADING: Final = Listed(
    Table("trading_account", TradingAccountRow, "trading_account"),
    _linked,
    frozenset({TradingAccountLinked}),
)
WALLETS: Final = Folded(
    Table("wallet", WalletRow, "wallet"),
    dict.fromkeys((WalletOpened, WalletFrozen, WalletUnfrozen), stream_of),
    _wallet,
    begins=WalletOpened,
)
KYC: Final = Folded(
    Table("kyc", KycRow, "client"),
    dict.fromkeys((KycApproved, KycRejected, KycExpired, KycRevoked), _client_of),
    _kyc,
)


def client(connection: Connection[Any], client: UUID) -> ClientRow | None:
    """Return a client."""
    return one(connection, CLIENT, ClientRow, client=client)


def trading_accounts(connection: Connection[Any], client: UUID) -> list[TradingAccountRow]:
    """Return a client's trading accounts."""
    return fetch(connection, TRADING_ACCOUNTS, (client,), TradingAccountRow)


def kyc(connection: Connection[Any], client: UUID) -> KycRow | None:
    """Return where a client's verification stands; None where nothing was ever decided."""
    return one(connection, KYC_OF, KycRow, client=client)
