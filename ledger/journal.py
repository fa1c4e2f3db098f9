"""Double entry: postings and entries. An unbalanced entry cannot be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ledger.chart import Account, check_account
from ledger.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.money import Money

POSTINGS_MIN = 2
POSTINGS_MAX = 64
"""An entry with more legs than this is a mistake, or a batch that wants several entries."""


class Posting(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One leg: account, currency, signed minor units (debit +, credit −)."""

    account: Account
    currency: str
    minor: int


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A balanced journal entry: every currency in it sums to zero.

    Built with `entry(...)`; decoding one from the log checks it again.
    """

    text: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        """Refuse an entry that does not balance, names no account, or moves nothing."""
        if not POSTINGS_MIN <= len(self.postings) <= POSTINGS_MAX:
            raise InvalidInput(
                f"an entry has {POSTINGS_MIN} to {POSTINGS_MAX} postings, not {len(self.postings)}",
                code="entry_size",
            )
        sums: dict[str, int] = {}
        for posting in self.postings:
            currency, minor = posting.currency, posting.minor
            if minor == 0:
                raise InvalidInput("a posting of zero moves nothing", code="entry_zero")
            sums[currency] = sums.get(currency, 0) + minor
        if any(sums.values()):
            off = {currency: minor for currency, minor in sums.items() if minor}
            raise InvalidInput(f"the entry does not balance: {off}", code="entry_unbalanced")

    def change(self, account: Account, currency: str) -> int:
        """Sum what this entry moves on one account, in minor units (debit +)."""
        return self.changes((account,), currency)[account]

    def changes(self, accounts: Iterable[Account], currency: str) -> dict[Account, int]:
        """Sum what this entry moves on each of these accounts, in minor units (debit +)."""
        moved = dict.fromkeys(accounts, 0)
        for posting in self.postings:
            account = posting.account
            if account in moved and posting.currency == currency:
                moved[account] += posting.minor
        return moved


def debit(account: Account, amount: Money) -> Posting:
    """Debit the account: amount must be positive or zero."""
    return _leg(account, amount, 1)


def credit(account: Account, amount: Money) -> Posting:
    """Credit the account: amount must be positive or zero."""
    return _leg(account, amount, -1)


def entry(text: str, postings: Iterable[Posting]) -> Entry:
    """Build a balanced entry; legs of zero are left out.

    Raises:
        InvalidInput: a currency does not sum to zero, or fewer than two legs move anything.
    """
    return Entry(text, tuple([posting for posting in postings if posting.minor]))


def _leg(account: Account, amount: Money, sign: int) -> Posting:
    assert amount.minor >= 0, f"a leg's amount is never negative: {amount}"
    check_account(account)
    return Posting(account, amount.currency, sign * amount.minor)
