"""What another system has in its books, taken over: opening balances and history, row by row.

A row is one balanced entry under the name it has over there. It becomes what a command of our own
would have recorded: the wallet's fact where it moves a client's wallet, else `EntryPosted`, so no
reader has to know that it was imported; the actor and the stream tell. A wallet's side is made by
`ledger.wallet`: a credit repays a debt first, a debit never overdraws.

Only accounts that are nobody's story may be moved. Held, contested, unconverted or returned money
belongs to a withdrawal, dispute or deposit, which would not know of it.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

import msgspec

from ledger.chart import Account, kind_of
from ledger.decision import Command, Kind, Stream
from ledger.errors import InvalidInput
from ledger.facts import EntryPosted, WalletCredited, WalletDebited
from ledger.ids import ClientId, EntityId, child_id, derived_id, fingerprint
from ledger.journal import Posting, entry
from ledger.money import Money, parse_amount
from ledger.wallet import credit_legs, debit_legs, open_wallet, wallet

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.decision import Decision, Fact
    from ledger.wallet import WalletState

IMPORTED_BY: Final = "service:import"
REFERENCE_MAX: Final = 128
WALLET: Final = "client:wallet"
KINDS: Final = frozenset(
    (WALLET, "psp:clearing", "bank:client", "bank:house", "fx:position", "income:fx-markup")
) | {f"expense:{what}" for what in ("psp-fees", "psp-adjustments", "dispute-fees", "write-offs")}
"""The kinds of account that a row may move."""


class ImportedLeg(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One leg of a row: an account without its entity, and a signed amount in major units."""

    account: str
    currency: str
    amount: str


class ImportedRow(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One entry of the other system.

    Attributes:
        reference: its name there; with `at` it names the row for ever within its source.
        at: when it took effect, timezone-aware.
        text: what for.
        postings: account, currency and amount (debit +) of each leg.
    """

    reference: str
    at: datetime
    text: str
    postings: tuple[ImportedLeg, ...]


class Imported(msgspec.Struct, frozen=True, gc=False):
    """How many entries of a source moved no wallet."""

    entries: int = 0


def _evolve(state: Imported, fact: Fact) -> Imported:
    return Imported(state.entries + 1) if isinstance(fact, EntryPosted) else state


IMPORT: Final = Kind("import", Imported(), _evolve)


class _Purse(NamedTuple):
    client: ClientId
    stream: Stream[WalletState]


class _Post(msgspec.Struct, frozen=True, gc=False):
    """The decision of a row that moves no wallet."""

    stream: Stream[Imported]
    cause: UUID
    text: str
    legs: list[Posting]

    def __call__(self, decision: Decision) -> None:
        said = entry(self.text, self.legs)
        decision.record(self.stream, EntryPosted(cause=self.cause, entry=said))


class _Move(msgspec.Struct, frozen=True, gc=False):
    """The decision of a row that moves a wallet; the wallet says which of its accounts."""

    entity: EntityId
    purse: _Purse
    cause: UUID
    text: str
    legs: list[Posting]
    moved: Posting

    def __call__(self, decision: Decision) -> None:
        purse, moved = self.purse, self.moved
        state = decision.get(purse.stream)
        if not state.is_open:
            state = open_wallet(decision, self.entity, purse.client, moved.currency)
        amount = Money(abs(moved.minor), moved.currency)
        inward = moved.minor < 0
        theirs = credit_legs(state, amount) if inward else debit_legs(state, amount)
        said = entry(self.text, self.legs + theirs)
        fact = WalletCredited if inward else WalletDebited
        decision.record(purse.stream, fact(cause=self.cause, entry=said))


@lru_cache(maxsize=1024)
def import_stream(entity: EntityId, source: str) -> Stream[Imported]:
    """Name the stream of a source's entries."""
    return IMPORT(child_id(UUID(int=0), "import", entity, source))


def import_command(entity: EntityId, source: str, row: ImportedRow, now: datetime) -> Command:
    """Build the command that records a row.

    Args:
        entity: whose book.
        source: name of the other system, or of its file. The same row of the same source is
            recorded once, however often and in whatever file it comes.
        row: the entry.
        now: nothing is imported from the future.

    Raises:
        InvalidInput: `bad_reference`, `bad_text`, `in_the_future`, an amount's or a currency's
            codes, `unknown_account`, `import_account`, `import_wallets`; what does not balance is
            refused when the command is decided (`entry_unbalanced`).
    """
    _check_name(source)
    _check(row, now)
    house, purse, moved = _legs(entity, row)
    cause = derived_id(row.at, f"{entity}/import/{source}", row.reference)
    said = (row.at.astimezone(UTC), row.text, row.postings)
    contents = fingerprint(_ENCODER.encode(said))
    decide: Callable[[Decision], None]
    if purse is None or moved is None:
        stream: Stream[Any] = import_stream(entity, source)
        decide = _Post(stream, cause, row.text, house)
    else:
        stream = purse.stream
        decide = _Move(entity, purse, cause, row.text, house, moved)
    return Command(decide, IMPORTED_BY, row.at, cause.bytes, contents, names=(stream,))


_ENCODER: Final = msgspec.json.Encoder()


def _check_name(name: str) -> None:
    if not 0 < len(name) <= REFERENCE_MAX or not name.isprintable():
        raise InvalidInput(f"no name of a row or source: {name!r}", code="bad_reference")


def _check(row: ImportedRow, now: datetime) -> None:
    _check_name(row.reference)
    if not row.text.isprintable() or len(row.text) > REFERENCE_MAX:
        raise InvalidInput("the text is too long or cannot be printed", code="bad_text")
    if row.at.tzinfo is None:
        raise InvalidInput("a time carries its zone", code="time_without_zone")
    if row.at > now:
        raise InvalidInput("the row has not happened yet", code="in_the_future")


def _legs(
    entity: EntityId, row: ImportedRow
) -> tuple[list[Posting], _Purse | None, Posting | None]:
    """Read a row's legs: those of the house, and the wallet that it moves, if any."""
    house: list[Posting] = []
    purse, moved = None, None
    day = row.at.date()
    for leg in row.postings:
        account, found = _place(entity, leg.account, leg.currency)
        posting = Posting(account, leg.currency, _minor(leg.amount, leg.currency, day))
        if found is None:
            house.append(posting)
        elif purse is None:
            purse, moved = found, posting
        else:
            raise InvalidInput("a row moves one wallet, once", code="import_wallets")
    return house, purse, moved


def _minor(text: str, currency: str, day: date) -> int:
    """Read a signed amount; the second leg of a row mostly has the amount of the first."""
    if text.startswith("-"):
        return -_positive(text[1:], currency, day)
    return _positive(text, currency, day)


@lru_cache(maxsize=16)
def _positive(text: str, currency: str, day: date) -> int:
    return parse_amount(text, currency, on=day).minor


@lru_cache(maxsize=65_536)
def _place(entity: EntityId, path: str, currency: str) -> tuple[Account, _Purse | None]:
    """Read an account, and whose wallet it is if it is one."""
    account = Account(f"{entity}:{path}")
    kind = kind_of(account).name
    if kind not in KINDS:
        raise InvalidInput(f"no row moves {kind} by itself", code="import_account")
    if kind != WALLET:
        return account, None
    try:
        client = ClientId(UUID(path.rpartition(":")[2]))
    except ValueError:
        raise InvalidInput(f"no such account: {path!r}", code="unknown_account") from None
    return account, _Purse(client, wallet(entity, client, currency))
