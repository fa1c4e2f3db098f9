"""Decisions over several packages at once: each is one append, and pure like those it is made of.

Sibling packages do not know each other; who a client is, what they pay in and which rate they took
come together here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from clients.client import require_client
from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import NotFound, QuoteRefused
from ledger.facts import RatePublished
from ledger.fx import Quote
from ledger.ids import ClientId, DepositId, EntityId, WithdrawalId, child_id
from payments import conversion as conversions
from payments import deposit as deposits
from payments import quotes, withdrawal
from payments.facts import DepositInitiated, Route, RouteKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from ledger.finding import Gate
    from ledger.money import Money
    from ledger.quotes import Quote


def announce(
    decision: Decision,
    deposit: DepositInitiated,
    quote_id: UUID | None,
    markup_of: Callable[[str, str], Decimal],
) -> DepositInitiated:
    """Announce a deposit into the client's account currency, or at the quote that they took.

    Args:
        markup_of: the markup on a pair of currencies, in basis points.

    Raises:
        NotFound: no such client of this entity, or no such quote of theirs.
        QuoteRefused: the quote is for another amount (`quote_amount`), or has expired.
        Conflict: the quote was used.
    """
    client = require_client(decision, deposit.client, deposit.entity)
    into = client.account_currency
    markup_bps = markup_of(deposit.amount.currency, into)
    announced = msgspec.structs.replace(deposit, into=into, markup_bps=markup_bps)
    if quote_id is not None:
        given = quotes.accept(
            decision,
            quote_id,
            client=deposit.client,
            entity=deposit.entity,
            used_by=deposit.deposit,
        )
        if given.sold != deposit.amount:
            raise QuoteRefused("the quote is for another amount", code="quote_amount")
        announced = msgspec.structs.replace(
            announced,
            into=given.into,
            markup_bps=given.markup_bps,
            quote=given.quote,
            quote_until=given.valid_until,
        )
    deposits.initiate(decision, announced)
    return announced


def back_to(decision: Decision, client: ClientId, deposit: DepositId) -> Route:
    """The way back to a deposit's charge: the same provider, account and currency.

    Raises:
        NotFound: no such deposit of this client.
    """
    state = deposits.require_deposit(decision, deposit)
    if state.client != client:
        raise NotFound("no such deposit", code="no_such_deposit")
    return Route(
        kind=RouteKind.REFUND,
        provider=state.provider,
        merchant_account=state.merchant_account,
        currency=state.amount.currency,
        deposit=deposit,
    )


def ask_to_withdraw(
    decision: Decision,
    asked: WithdrawalId,
    *,
    client: ClientId,
    entity: EntityId,
    amount: Money,
    route: Route | DepositId,
    gates: Sequence[Gate],
    above: Mapping[str, int],
) -> None:
    """Hold the money and ask the gates, in one append: nobody sees it unjudged.

    Args:
        route: the way to a recipient, or the deposit whose charge is refunded.
    """
    require_client(decision, client, entity)
    way = route if isinstance(route, Route) else back_to(decision, client, route)
    withdrawal.request(decision, asked, client=client, entity=entity, amount=amount, route=way)
    withdrawal.judge(decision, asked, gates, above)


def exchange(
    decision: Decision, conversion_id: UUID, *, client: ClientId, entity: EntityId, quote_id: UUID
) -> None:
    """Exchange money between two of the client's wallets at the quote that they took."""
    require_client(decision, client, entity)
    conversions.exchange(decision, conversion_id, client=client, entity=entity, quote_id=quote_id)


class PairState(msgspec.Struct, frozen=True):
    """The newest price of a pair."""

    quote: Quote | None = None


def _evolve(state: PairState, fact: Fact) -> PairState:
    return PairState(fact.quote) if isinstance(fact, RatePublished) else state


PAIR: Kind[PairState] = Kind("rates", PairState(), _evolve)


def pair_stream(entity: EntityId, base: str, quote: str) -> Stream[PairState]:
    """Name the prices of a pair, whichever way round."""
    return PAIR(child_id(UUID(int=0), entity, "rates", *sorted((base, quote))))


def publish(decision: Decision, entity: EntityId, price: Quote) -> None:
    """Record the broker's own price for a pair.

    Raises:
        QuoteRefused: as `must_be_next`.
    """
    must_be_next(decision, entity, price)
    decision.record(pair_stream(entity, price.base, price.quote), RatePublished(quote=price))


def must_be_next(decision: Decision, entity: EntityId, price: Quote) -> None:
    """Refuse under the lock what the rate source would: it must take all that is in the log.

    Raises:
        QuoteRefused: the pair is published the other way round (`quote_pair`), or no later than
            its last price (`quote_out_of_order`).
    """
    stream = pair_stream(entity, price.base, price.quote)
    last = decision.get(stream).quote
    if last is not None and last.base != price.base:
        raise QuoteRefused("this pair is published the other way round", code="quote_pair")
    if last is not None and price.quoted_at <= last.quoted_at:
        raise QuoteRefused("a price is later than the last", code="quote_out_of_order")
