"""Every event of the clients, in reading order. No personal data: names stand behind references."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from ledger.decision import Fact
from ledger.ids import ClientId, EntityId


class Category(StrEnum):
    """Regulatory client category (MiFID II)."""

    RETAIL = "retail"
    PROFESSIONAL = "professional"
    ELIGIBLE_COUNTERPARTY = "eligible-counterparty"


class Platform(StrEnum):
    """Trading platforms that hold a trading account."""

    MT4 = "mt4"
    MT5 = "mt5"
    CTRADER = "ctrader"


class AccountType(StrEnum):
    """What a trading account is; only `live` is client money."""

    DEMO = "demo"
    CHALLENGE = "challenge"
    FUNDED = "funded"
    LIVE = "live"


class BookFlag(StrEnum):
    """Where the account's risk goes: kept by the house (B) or passed on (A)."""

    A = "a"
    B = "b"


class ActivityKind(StrEnum):
    """What a client did that a dispute may ask about later."""

    LOGIN = "login"
    TERMS_ACCEPTED = "terms-accepted"
    CREDENTIALS_CHANGED = "credentials-changed"
    INSTRUMENT_ADDED = "instrument-added"


class ClientRegistered(Fact, frozen=True):
    """A person or firm became a client of a legal entity."""

    NAME: ClassVar[str] = "clients.client-registered"
    client: ClientId
    entity: EntityId
    residence: str
    category: Category
    account_currency: str
    name_ref: str


class TradingAccountLinked(Fact, frozen=True):
    """A login at a trading platform belongs to the client."""

    NAME: ClassVar[str] = "clients.trading-account-linked"
    client: ClientId
    platform: Platform
    login: str
    group: str
    account_type: AccountType
    book: BookFlag
    programme: str | None = None


class ActivityNoted(Fact, frozen=True):
    """The client did something, told by reference: IP, device and terms are not in the log."""

    NAME: ClassVar[str] = "clients.activity-noted"
    kind: ActivityKind
    happened_at: datetime
    ip_ref: str | None = None
    device_ref: str | None = None
    terms_version: str | None = None


FACTS: tuple[type[Fact], ...] = (ClientRegistered, TradingAccountLinked, ActivityNoted)
