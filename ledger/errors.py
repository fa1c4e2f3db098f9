"""What the books refuse, and what they cannot know.

Refusal                     the command was judged and nothing was recorded
├── InvalidInput            the words themselves are wrong (amount, currency, account, id)
├── NotFound                the named thing does not exist, for this caller
├── Conflict                the thing exists, in a state that forbids the command
│   └── KeyReused           the same idempotency key came with other contents
├── InsufficientFunds       the wallet does not hold what was asked for
├── QuoteRefused            no rate that policy accepts
├── GateClosed              a gate holds the client's request back
└── Busy                    the queue of the book is full: try again after `retry_after_s`
OutcomeUnknown              the connection went with the answer on its way: ask, never repeat
LogUnreachable              the database does not answer: nothing was read
LogUnreadable               a stored name or version that we do not know: appending stops

A refusal carries facts for people and a stable public `code`. HTTP numbers live in
`api/door/problems.py`.
Bugs are assertions, never refusals.
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """A command was judged and nothing was recorded. `code` is public and stable."""

    code: ClassVar[str] = "refused"
    retry: ClassVar[bool] = False
    """Whether the same command may succeed later without being changed."""

    def __init__(self, detail: str, *, code: str | None = None, **facts: str | int | None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts
        self.public_code = code or self.code


class InvalidInput(Refusal):
    """The words themselves are wrong."""

    code = "invalid_input"


class NotFound(Refusal):
    """The named thing does not exist, or not for this caller."""

    code = "not_found"


class Conflict(Refusal):
    """The thing exists, in a state that forbids the command."""

    code = "conflict"


class KeyReused(Conflict):
    """The same idempotency key came with other contents."""

    code = "idempotency_key_reused"


class InsufficientFunds(Refusal):
    """The wallet does not hold what was asked for."""

    code = "insufficient_funds"
    retry = True


class QuoteRefused(Refusal):
    """No rate that policy accepts."""

    code = "quote_refused"
    retry = True


class GateClosed(Refusal):
    """A gate holds the client's request back."""

    code = "gate_closed"
    retry = True


class Busy(Refusal):
    """The queue of the book is full. `retry_after_s` says when to come back."""

    code = "busy"
    retry = True

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(Exception):
    """The connection went while the answer was on its way: look it up, never repeat blindly."""


class LogUnreachable(Exception):
    """The database does not answer: nothing was read, and reading may succeed later."""


class LogUnreadable(Exception):
    """The log holds a name or version that this program does not know: appending stops."""
