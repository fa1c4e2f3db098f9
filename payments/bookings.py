"""The accounting policy as one table: which fact makes which postings.

Nothing else builds entries.

| fact                      | debit                             | credit                           |
|---------------------------|-----------------------------------|----------------------------------|
| deposit confirmed         | psp:clearing                      | client wallet (debt first)       |
|   with a conversion       | psp:clearing · fx:position        | fx:position · wallet · markup    |
|   no rate yet             | psp:clearing                      | client:unconverted               |
|   not what was announced  | psp:clearing                      | client:suspense                  |
| deposit converted         | client:unconverted · fx:position  | fx:position · wallet · markup    |
| provider's fee            | expense:psp-fees                  | psp:clearing                     |
| provider converted        | fx:position (from) · psp:clearing | psp:clearing (from) · fx (into)  |
| provider's own doing      | expense:psp-fees · -adjustments   | psp:clearing                     |
| settled to our bank       | bank:client                       | psp:clearing                     |
| funds converted           | wallet sold · fx:position         | fx:position · wallet · markup    |
| withdrawal requested      | client wallet                     | client:held                      |
| … cancelled, expired      | client:held                       | client wallet (debt first)       |
| payout submitted          | client:held (· fx:position)       | payout:in-transit (· fx)         |
| payout settled            | payout:in-transit                 | psp:clearing                     |
| payout failed             | payout:in-transit                 | client:returned                  |
| payout came back          | psp:clearing                      | client:returned                  |
| return credited           | client:returned (· fx back)       | client wallet (debt first)       |
| disputed funds withdrawn  | dispute:contested · dispute fee   | psp:clearing                     |
| disputed funds reinstated | psp:clearing                      | dispute:contested · dispute fee  |
| clawed back from client   | client · fx-markup share · fx     | fx:position · contested/clearing |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.chart import Account, bank_account, client_account, house_account, merchant_account
from ledger.journal import Entry, Posting, credit, debit, entry
from ledger.wallet import (
    WalletState,
    capture_leg,
    contest_legs,
    credit_legs,
    debit_legs,
    hold_legs,
    release_legs,
    uncontest_legs,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from ledger.fx import Conversion
    from ledger.ids import ClientId, EntityId
    from ledger.money import Money


def clearing(entity: EntityId, merchant: str) -> Account:
    """What the provider collected for us and has not paid to our bank."""
    return merchant_account(entity, "psp:clearing", merchant)


def contested(entity: EntityId, merchant: str) -> Account:
    """What the provider took back, with the outcome open."""
    return merchant_account(entity, "dispute:contested", merchant)


# --- deposits ---


def deposit_credited(
    wallet: WalletState, source: Account, amount: Money, conversion: Conversion | None, text: str
) -> Entry:
    """Credit the client with money that stands at `source` (clearing, unconverted, returned)."""
    if conversion is None:
        return entry(text, [debit(source, amount), *credit_legs(wallet, amount)])
    assert conversion.sold == amount, "the whole amount is converted"
    return entry(
        text,
        [
            debit(source, amount),
            *fx_legs(wallet.entity, conversion),
            *credit_legs(wallet, conversion.bought),
        ],
    )


def deposit_waits(entity: EntityId, client: ClientId, merchant: str, amount: Money) -> Entry:
    """Money came and no rate passes policy: shown as received, in its own currency."""
    return entry(
        "deposit waits for a rate",
        [
            debit(clearing(entity, merchant), amount),
            credit(client_account(entity, "client:unconverted", client), amount),
        ],
    )


def deposit_suspended(entity: EntityId, client: ClientId, merchant: str, amount: Money) -> Entry:
    """Money came that is not what was announced: a person decides."""
    return entry(
        "deposit in suspense",
        [
            debit(clearing(entity, merchant), amount),
            credit(client_account(entity, "client:suspense", client), amount),
        ],
    )


def provider_fee(entity: EntityId, merchant: str, fee: Money) -> Entry:
    """The provider kept its fee."""
    return entry(
        "provider's fee",
        [
            debit(house_account(entity, "expense:psp-fees"), fee),
            credit(clearing(entity, merchant), fee),
        ],
    )


def provider_converted(entity: EntityId, merchant: str, sold: Money, bought: Money) -> Entry:
    """The provider exchanged what it holds for us, at its own rate. Negative: it paid for us."""
    position, held = house_account(entity, "fx:position"), clearing(entity, merchant)
    return entry(
        "converted by the provider",
        [
            Posting(position, sold.currency, sold.minor),
            Posting(held, sold.currency, -sold.minor),
            Posting(held, bought.currency, bought.minor),
            Posting(position, bought.currency, -bought.minor),
        ],
    )


def settled_to_bank(entity: EntityId, merchant: str, bank: str, amount: Money) -> Entry:
    """The provider paid what it held to our bank. Negative: it took what we owed it."""
    return entry(
        "settled to our bank",
        [
            Posting(bank_account(entity, "bank:client", bank), amount.currency, amount.minor),
            Posting(clearing(entity, merchant), amount.currency, -amount.minor),
        ],
    )


def unsolicited(entity: EntityId, merchant: str, net: Money, *, fee: bool) -> Entry:
    """The provider moved our balance by itself: a fee, or an adjustment to be explained."""
    kind = "expense:psp-fees" if fee else "expense:psp-adjustments"
    return entry(
        "provider's own fee" if fee else "provider's own adjustment",
        [
            Posting(clearing(entity, merchant), net.currency, net.minor),
            Posting(house_account(entity, kind), net.currency, -net.minor),
        ],
    )


# --- conversions ---


def fx_legs(entity: EntityId, conversion: Conversion) -> list[Posting]:
    """The house's legs of a conversion: it buys what is sold, at the source's side.

    The markup stands in the currency in which the source's amount stands: the bought one when the
    client says what to sell, the sold one when the client says what to receive.
    """
    position = house_account(entity, "fx:position")
    income = house_account(entity, "income:fx-markup")
    if conversion.at_source.currency == conversion.bought.currency:
        return [
            credit(position, conversion.sold),
            debit(position, conversion.at_source),
            credit(income, conversion.markup),
        ]
    return [
        credit(position, conversion.at_source),
        credit(income, conversion.markup),
        debit(position, conversion.bought),
    ]


def wallet_sold(wallet: WalletState, conversion: Conversion) -> Entry:
    """The sold side of an exchange between two wallets."""
    legs = [*debit_legs(wallet, conversion.sold), *fx_legs(wallet.entity, conversion)]
    return entry("sold", _in(wallet.currency, legs))


def wallet_bought(wallet: WalletState, conversion: Conversion) -> Entry:
    """The bought side of an exchange between two wallets."""
    legs = [*fx_legs(wallet.entity, conversion), *credit_legs(wallet, conversion.bought)]
    return entry("bought", _in(wallet.currency, legs))


# --- withdrawals and payouts ---


def withdrawal_held(wallet: WalletState, amount: Money) -> Entry:
    """The client asked for money: it is set aside."""
    return entry("withdrawal held", hold_legs(wallet, amount))


def withdrawal_released(wallet: WalletState, hold: UUID) -> Entry:
    """The withdrawal came to nothing before submission."""
    return entry("withdrawal released", release_legs(wallet, hold))


def payout_submitted(wallet: WalletState, hold: UUID, conversion: Conversion | None) -> Entry:
    """The hold is captured into transit: still the client's money."""
    taken = capture_leg(wallet, hold)
    transit = client_account(wallet.entity, "payout:in-transit", wallet.client)
    if conversion is None:
        return entry("payout submitted", [taken, credit(transit, wallet.money(taken.minor))])
    return entry(
        "payout submitted",
        [taken, *fx_legs(wallet.entity, conversion), credit(transit, conversion.bought)],
    )


def payout_settled(entity: EntityId, client: ClientId, merchant: str, amount: Money) -> Entry:
    """The provider paid it out of what it holds for us."""
    return entry(
        "payout settled",
        [
            debit(client_account(entity, "payout:in-transit", client), amount),
            credit(clearing(entity, merchant), amount),
        ],
    )


def payout_failed(entity: EntityId, client: ClientId, amount: Money) -> Entry:
    """It was never paid; it is the client's, not yet in the wallet."""
    return entry(
        "payout failed",
        [
            debit(client_account(entity, "payout:in-transit", client), amount),
            credit(client_account(entity, "client:returned", client), amount),
        ],
    )


def payout_came_back(entity: EntityId, client: ClientId, merchant: str, amount: Money) -> Entry:
    """Paid money is at the provider again; it is the client's, not yet in the wallet."""
    return entry(
        "payout came back",
        [
            debit(clearing(entity, merchant), amount),
            credit(client_account(entity, "client:returned", client), amount),
        ],
    )


def payout_reversed(
    wallet: WalletState, source: Account, amount: Money, held: Money, conversion: Conversion | None
) -> Entry:
    """Give a payout back to the wallet at the conversion with which it left.

    The FX difference since then stays with the house: the client never received the money.
    """
    legs = [debit(source, amount), *credit_legs(wallet, held)]
    if conversion is not None:
        legs += reversed_legs(fx_legs(wallet.entity, conversion))
    return entry("payout reversed", legs)


# --- disputes ---


def disputed_funds(entity: EntityId, merchant: str, amount: Money, fee: Money) -> Entry:
    """A balance line of a dispute. Positive: withdrawn from us; negative: reinstated."""
    held = clearing(entity, merchant)
    return entry(
        "disputed funds withdrawn" if amount.minor >= 0 else "disputed funds reinstated",
        [
            Posting(contested(entity, merchant), amount.currency, amount.minor),
            Posting(house_account(entity, "expense:dispute-fees"), fee.currency, fee.minor),
            Posting(held, amount.currency, -amount.minor),
            Posting(held, fee.currency, -fee.minor),
        ],
    )


def contest(wallet: WalletState, amount: Money) -> Entry | None:
    """Hold what there is of a disputed amount."""
    return _maybe("funds contested", contest_legs(wallet, amount))


def uncontest(wallet: WalletState, dispute: UUID) -> Entry | None:
    """The dispute wants nothing any more."""
    return _maybe("contest released", uncontest_legs(wallet, dispute))


def clawed_back(
    entity: EntityId,
    client_side: Iterable[Posting],
    house_share: Iterable[Posting],
    counter: Account,
    amount: Money,
    text: str,
) -> Entry:
    """Charge the client for money that the provider took back.

    Args:
        client_side: the client's legs, in the account currency.
        house_share: the share of the markup that was earned on it, given back.
        counter: where the provider's side waits: `dispute:contested` or `psp:clearing`.
        amount: what the provider took, in its currency; negative when it gave back.

    Whatever the two sides differ by per currency is the house's FX position: the original
    conversion stands for the client, the difference stays visibly with the house.
    """
    legs = [*client_side, *house_share, Posting(counter, amount.currency, -amount.minor)]
    sums: dict[str, int] = {}
    for leg in legs:
        sums[leg.currency] = sums.get(leg.currency, 0) + leg.minor
    position = house_account(entity, "fx:position")
    return entry(text, [*legs, *(Posting(position, c, -minor) for c, minor in sums.items())])


def reversed_legs(legs: Iterable[Posting]) -> list[Posting]:
    """The same legs the other way round."""
    return [Posting(leg.account, leg.currency, -leg.minor) for leg in legs]


def _maybe(text: str, legs: list[Posting]) -> Entry | None:
    moving = [leg for leg in legs if leg.minor]
    return entry(text, moving) if moving else None


def _in(currency: str, legs: list[Posting]) -> list[Posting]:
    return [leg for leg in legs if leg.currency == currency]
