"""The merchant accounts that money may come and go through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import NotFound

if TYPE_CHECKING:
    from api.house.bootstrap import House


def require_merchant(house: House, provider: str, name: str) -> None:
    """Refuse a merchant account that we do not have (`no_such_merchant_account`)."""
    if (provider, name) not in house.desk.providers:
        raise NotFound("no such merchant account", code="no_such_merchant_account")
