"""What is due, out of what is outstanding: one job each, named so that it is not done twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from payments.reactors import deposits, notices, payouts

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from ledger.ids import ClientId
    from payments.reactors.desk import Desk
    from payments.reactors.outstanding import Outstanding


class Job(NamedTuple):
    """Something to do. The same name is not tried again before `pause` has passed.

    What fails again and again, where that is not waiting, is given up by `give_up`.
    """

    name: Hashable
    act: Callable[[], object]
    pause: timedelta
    give_up: Callable[[], object] | None = None


def due(see: Outstanding, desk: Desk) -> Iterator[Job]:
    """List everything that may be done now: what came in first, then what goes out, then sweeps."""
    now, again = desk.clock(), desk.patience.again
    for notice, (received, position) in list(see.notices.items()):
        give_up = partial(notices.set_aside, desk, notice, position)
        yield Job(notice, partial(notices.merge, desk, received, position), again, give_up)
    yield from _payments(see, desk, again)
    yield from _withdrawals(see, desk, now, again)
    yield from _payouts(see, desk, again)
    yield from _sweeps(see, desk, now)


def _payments(see: Outstanding, desk: Desk, again: timedelta) -> Iterator[Job]:
    for deposit, call in list(see.payments.items()):
        if call.attempts == 0:
            # Whoever announced it opens the payment at once; this is for when they died.
            if desk.clock() - call.since >= again:
                act = partial(deposits.open_payment, desk, deposit, 1)
                yield Job(("open", deposit), act, again)
        else:
            yield Job(("find", deposit), partial(deposits.look_up, desk, deposit, call), again)
    for deposit, position in list(see.unconverted.items()):
        convert = partial(deposits.convert_waiting, desk, deposit, position)
        # A rate that was published since is a reason to try at once.
        yield Job(("convert", deposit, see.rate_at), convert, desk.patience.unheard)


def _withdrawals(see: Outstanding, desk: Desk, now: datetime, again: timedelta) -> Iterator[Job]:
    for client, position in list(see.rejudge.items()):
        act = partial(_rejudge, see, desk, client, position)
        yield Job(("judge", client, position), act, again)
    for withdrawal, position in list(see.cleared.items()):
        act = partial(payouts.submit, desk, withdrawal, position)
        yield Job(("submit", withdrawal), act, again)
    for withdrawal, waiting in list(see.held.items()):
        if now >= waiting.expires_at:
            yield Job(("expire", withdrawal), partial(payouts.expire, desk, withdrawal), again)


def _payouts(see: Outstanding, desk: Desk, again: timedelta) -> Iterator[Job]:
    for payout, call in list(see.payouts.items()):
        if call.attempts == 0:
            yield Job(("pay", payout), partial(payouts.call, desk, payout, 1), again)
        else:
            yield Job(("find", payout), partial(payouts.look_up, desk, payout, call), again)
    for payout, client in list(see.returned.items()):
        if client not in see.rejudge:
            act = partial(payouts.credit_return, desk, payout)
            yield Job(("credit", payout), act, desk.patience.unheard)


def _sweeps(see: Outstanding, desk: Desk, now: datetime) -> Iterator[Job]:
    """Ask after what nothing was heard of, and read the providers' own lists of events."""
    unheard = desk.patience.unheard
    for deposit, call in list(see.announced.items()):
        if call.attempts and now - call.since >= unheard:
            act = partial(deposits.ask_after, desk, deposit, call)
            yield Job(("ask", deposit), act, unheard)
    for payout, call in list(see.sent.items()):
        if now - call.since >= unheard:
            yield Job(("ask", payout), partial(payouts.ask_after, desk, payout, call), unheard)
    for key, provider in desk.providers.items():
        read = partial(notices.read_events, desk, provider, see.cursors.get(key))
        yield Job(("events", key), read, desk.patience.events)


def _rejudge(see: Outstanding, desk: Desk, client: ClientId, position: int) -> None:
    """Ask the gates again for everything of a client that waits."""
    for withdrawal, waiting in list(see.held.items()):
        if waiting.client == client:
            payouts.rejudge(desk, withdrawal, position)
    for payout, whose in list(see.returned.items()):
        if whose == client:
            payouts.credit_return(desk, payout)
    if see.rejudge.get(client) == position:
        del see.rejudge[client]
