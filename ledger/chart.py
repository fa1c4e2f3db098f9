"""The chart of accounts: typed paths, each kind with its normal side and its rules.

A path is `<entity>:<kind>[:<owner>]`, e.g. `acme-cy:client:wallet:<client id>` or
`acme-cy:psp:clearing:stripe-eu`. The currency stands in the posting, not in the path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NewType

from ledger.errors import InvalidInput

if TYPE_CHECKING:
    from ledger.ids import ClientId, EntityId

Account = NewType("Account", str)


class Side(StrEnum):
    """The side on which an account's balance normally stands."""

    DEBIT = "debit"
    CREDIT = "credit"


class Owner(StrEnum):
    """Whose name ends the path."""

    CLIENT = "client"
    MERCHANT_ACCOUNT = "merchant account"
    BANK_ACCOUNT = "bank account"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class AccountKind:
    """The rules of one kind of account.

    Attributes:
        name: its place in the path, e.g. `client:wallet`.
        normal: the side on which its balance stands.
        owner: whose name ends the path.
        flips: whether its balance may stand on the other side.
        client_money: whether the balance is owed to clients (segregation counts it).
        words: one line for people.
    """

    name: str
    normal: Side
    owner: Owner
    words: str
    flips: bool = False
    client_money: bool = False


def _client(name: str, words: str) -> AccountKind:
    return AccountKind(name, Side.CREDIT, Owner.CLIENT, words, client_money=True)


def _merchant(name: str, words: str, *, flips: bool) -> AccountKind:
    return AccountKind(name, Side.DEBIT, Owner.MERCHANT_ACCOUNT, words, flips=flips)


def _house(name: str, normal: Side, words: str, *, flips: bool = True) -> AccountKind:
    return AccountKind(name, normal, Owner.NOBODY, words, flips=flips)


KINDS: Final = {
    kind.name: kind
    for kind in (
        _client("client:wallet", "what the client may spend"),
        _client("client:held", "the client's money under a hold"),
        _client("client:unconverted", "received, waiting for a rate"),
        _client("client:suspense", "received, waiting for a person"),
        _client("client:returned", "came back from a payout, not yet credited"),
        _client("payout:in-transit", "left the hold, not yet settled"),
        AccountKind("client:receivable", Side.DEBIT, Owner.CLIENT, "what the client owes us"),
        _merchant(
            "psp:clearing", "collected by the provider, not yet paid to our bank", flips=True
        ),
        _merchant("dispute:contested", "taken back by the provider, outcome open", flips=False),
        AccountKind(
            "bank:client", Side.DEBIT, Owner.BANK_ACCOUNT, "designated client bank account"
        ),
        AccountKind("bank:house", Side.DEBIT, Owner.BANK_ACCOUNT, "own bank account", flips=True),
        _house(
            "fx:position", Side.CREDIT, "the house's currency position; exposure is its negative"
        ),
        _house("income:fx-markup", Side.CREDIT, "markup on conversions"),
        _house("expense:psp-fees", Side.DEBIT, "what providers charge"),
        _house("expense:psp-adjustments", Side.DEBIT, "moved by a provider by itself, unexplained"),
        _house("expense:dispute-fees", Side.DEBIT, "what disputes cost"),
        _house("expense:write-offs", Side.DEBIT, "receivables given up"),
    )
}

_ENTITY = re.compile(r"[a-z][a-z0-9-]{1,31}")
_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@lru_cache(maxsize=65_536)
def client_account(entity: EntityId, kind: str, client: ClientId) -> Account:
    """Name an account of a client, e.g. `client_account(entity, "client:wallet", client)`."""
    assert KINDS[kind].owner is Owner.CLIENT, kind
    return Account(f"{entity}:{kind}:{client}")


@lru_cache(maxsize=65_536)
def wallet_accounts(entity: EntityId, client: ClientId) -> tuple[Account, Account, Account]:
    """Name what a client's wallet has available, held and owed, in this order."""
    return (
        client_account(entity, "client:wallet", client),
        client_account(entity, "client:held", client),
        client_account(entity, "client:receivable", client),
    )


@lru_cache(maxsize=1024)
def merchant_account(entity: EntityId, kind: str, name: str) -> Account:
    """Name an account we hold at a provider: `psp:clearing` or `dispute:contested`."""
    assert KINDS[kind].owner is Owner.MERCHANT_ACCOUNT, kind
    return Account(f"{entity}:{kind}:{name}")


def bank_account(entity: EntityId, kind: str, name: str) -> Account:
    """Name one of our bank accounts: `bank:client` or `bank:house`."""
    assert KINDS[kind].owner is Owner.BANK_ACCOUNT, kind
    return Account(f"{entity}:{kind}:{name}")


@lru_cache(maxsize=1024)
def house_account(entity: EntityId, kind: str) -> Account:
    """Name an account of the house, e.g. `fx:position`."""
    assert KINDS[kind].owner is Owner.NOBODY, kind
    return Account(f"{entity}:{kind}")


@lru_cache(maxsize=65_536)
def kind_of(account: str) -> AccountKind:
    """Read the kind out of a path.

    Raises:
        InvalidInput: the path is none of this chart (`unknown_account`).
    """
    entity, _, rest = account.partition(":")
    kind = KINDS.get(":".join(rest.split(":")[:2]))
    if kind is None or not _ENTITY.fullmatch(entity):
        raise InvalidInput(f"no such account: {account!r}", code="unknown_account")
    owner = rest[len(kind.name) + 1 :]
    named = rest[len(kind.name) :].startswith(":")
    wanted = kind.owner is not Owner.NOBODY
    if named != wanted or (named and not _OWNER.fullmatch(owner)):
        raise InvalidInput(f"no such account: {account!r}", code="unknown_account")
    return kind


def check_account(account: Account) -> None:
    """Refuse a path that is none of this chart."""
    kind_of(account)


def entity_of(account: Account) -> str:
    """The legal entity that owns the account."""
    return account.partition(":")[0]


def owner_of(account: Account) -> str | None:
    """Whose account it is: a client id, a merchant account, a bank account, or nobody's."""
    kind = kind_of(account)
    if kind.owner is Owner.NOBODY:
        return None
    return account.rsplit(":", 1)[1]
