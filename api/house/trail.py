"""Log lines by which one message is followed: from the door by positions of the log to the payout.

`recorded` says which positions a command took and which one was its cause, so that the next line
of the trail is the one whose `cause` is among these `positions`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from adapters.outgoing import Exchange
    from ledger.decision import Command, Receipt

LOG: Final = logging.getLogger("counterfoil.trail")
FACTS_MAX: Final = 20


def tell_recorded(command: Command, receipt: Receipt) -> None:
    """Tell what stands in the log because of a command: names and positions, never values."""
    if not LOG.isEnabledFor(logging.INFO):
        return
    LOG.info(
        "recorded",
        extra={
            "command": "" if command.key is None else command.key.hex(),
            "by": command.by,
            "cause": command.why,
            "positions": [event.position for event in receipt.events[:FACTS_MAX]],
            "facts": [type(event.fact).NAME for event in receipt.events[:FACTS_MAX]],
            "replayed": receipt.replayed,
        },
    )


def tell_called(exchange: Exchange) -> None:
    """Tell of a call to another system: as whom, what, and how it ended."""
    LOG.info(
        "called",
        extra={
            "system": exchange.credential.system,
            "account": exchange.credential.account,
            "operation": exchange.operation,
            "status": exchange.status,
            "failure": exchange.failure,
        },
    )
