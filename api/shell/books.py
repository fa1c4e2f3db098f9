"""Questions to the books: the trial balance, and what explains a balance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.house import vocabulary
from api.house.settings import SettingsRefused
from api.shell.opening import reading
from ledger.chart import kind_of
from ledger.errors import InvalidInput
from ledger.money import Money
from projections.balances import balances, normal_side, trial_balance
from projections.explain import explain as explained
from projections.pages import LIMIT_MAX

if TYPE_CHECKING:
    from api.house.settings import Settings
    from api.shell.output import Output
    from projections.explain import Explanation, Movement


def show_trial_balance(
    settings: Settings, out: Output, *, at: str | None, known_at: str | None
) -> int:
    """Show the trial balance; 1 where a currency does not sum to zero."""
    when, known = moment(at), moment(known_at)
    with reading(settings) as connection:
        trial = trial_balance(connection, at=when, known_at=known)
    out.data({"balanced": trial.balanced, "lines": trial.lines, "sums": trial.sums()})
    out.table(
        ("currency", "account", "debit", "credit"),
        [
            (
                line.currency,
                line.kind,
                Money(line.minor, line.currency).text() if line.minor > 0 else "",
                Money(-line.minor, line.currency).text() if line.minor < 0 else "",
            )
            for line in trial.lines
            if line.minor
        ],
        numbers=2,
    )
    for currency, minor in sorted(trial.sums().items()):
        out.check(currency, f"sums to {Money(minor, currency).text()}", held=minor == 0)
    return 0 if trial.balanced else 1


def explain(settings: Settings, out: Output, account: str, currency: str | None, last: int) -> int:
    """Explain an account's balance, in one currency or in all that it holds."""
    path = _path(settings, account)
    with reading(settings) as connection:
        currencies = (
            [row.currency for row in balances(connection, account=path, limit=LIMIT_MAX).rows]
            if currency is None
            else [currency]
        )
        found = [
            explained(connection, vocabulary.BOOK, path, one, limit=last) for one in currencies
        ]
    out.data(found)
    if not found:
        out.say(f"{path}: nothing was ever booked here")
    for each in found:
        _tell(out, each)
    return 0


def moment(text: str | None) -> datetime | None:
    """Read a time of the command line: ISO 8601, in UTC where it names no zone.

    Raises:
        SettingsRefused: it is none.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsRefused(f"{text!r} is no time: write 2026-10-30T16:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _path(settings: Settings, account: str) -> str:
    """Take an account's path with or without the entity in front."""
    for path in (account, f"{settings.entity}:{account}"):
        try:
            kind_of(path)
        except InvalidInput:
            continue
        return path
    raise SettingsRefused(f"no such account: {account}")


def _tell(out: Output, found: Explanation) -> None:
    amount = Money(found.minor, found.currency)
    out.say(f"\n{found.account}: {found.words}")
    out.say(f"{amount} stands there, on its normal side")
    if found.earlier:
        out.say(f"  {Money(found.opening, found.currency)} from {found.earlier} earlier events")
    for movement in found.movements:
        _tell_movement(out, movement, found.currency)


def _tell_movement(out: Output, movement: Movement, currency: str) -> None:
    moved = Money(movement.minor, currency).text()
    balance = Money(movement.balance, currency).text()
    out.say(f"\n  {movement.effective_at:%Y-%m-%d %H:%M:%S}  {moved} → {balance}  {movement.text}")
    out.say(f"    position {movement.position}, {movement.fact}, by {movement.by}")
    if movement.cause is not None:
        cause = movement.cause
        out.say(f"    because of position {cause.position}, {cause.fact}, by {cause.by}")
    if movement.request is not None:
        out.say(f"    request {movement.request.request_key} of {movement.request.actor}")
    for leg in movement.legs:
        side = normal_side(leg.minor, kind_of(leg.account).name)
        debit = "Dr" if leg.minor > 0 else "Cr"
        shown = Money(abs(leg.minor), leg.currency)
        out.say(f"      {debit} {shown}  {leg.account}{'' if side > 0 else '  (less)'}")
    for rate in movement.rates:
        out.say(
            f"    rate {rate.pair} {rate.bid}/{rate.ask} of {rate.source}, {rate.quoted_at}, "
            f"markup {rate.markup_bps} bp: the client's is {rate.rate:f}"
        )
