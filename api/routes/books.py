"""The books as they stand, or stood: balances, statements, the trial balance."""

from __future__ import annotations

from typing import Annotated, Final, Self
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from starlette.requests import Request

from api.door.bodies import StrictRouter
from api.door.pages import page_of, place_in
from api.door.views import Amount, Listing, View, plain, shown
from api.door.words import AsOf, CurrencyText, Id, Instant, Page
from api.house.front import AtFront
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from ledger.chart import Account, client_account, entity_of, kind_of, owner_of
from ledger.errors import NotFound
from ledger.ids import ClientId
from ledger.money import asset
from projections.balances import Balance, balances, normal_side, trial_balance
from projections.statements import StatementLine, statement

ROUTER: Final = StrictRouter(prefix="/v1", tags=["books"])

AccountText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{3,160}$", max_length=160)]


class BalanceView(View):
    """What stands on an account: `amount` on its normal side, `debit` as the journal adds it."""

    account: str
    kind: str
    currency: str
    amount: str
    debit: str


class AskedBalances(Page, AsOf):
    """Which balances, effective when, as known when."""

    account: AccountText | None = None
    client: Id | None = None
    currency: CurrencyText | None = None


class StatementQuery(Page):
    """A client's wallet between two times, the later one not included."""

    client: Id
    currency: CurrencyText
    since: Annotated[Instant, Field(alias="from")]
    until: Annotated[Instant, Field(alias="to")]
    known_at: Instant | None = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.since > self.until:
            raise ValueError("`from` is not after `to`")
        return self


class LineView(View):
    """One posting and the balance after it; what the client is owed is positive."""

    effective_at: AwareDatetime
    text: str
    amount: str
    balance: str
    position: int


class StatementView(View):
    """A page of a statement; opening and closing are those of the whole time."""

    client: UUID
    currency: str
    since: AwareDatetime = Field(serialization_alias="from")
    until: AwareDatetime = Field(serialization_alias="to")
    opening: str
    closing: str
    lines: list[LineView]
    cursor: str | None


class TrialLineView(View):
    """All accounts of a kind in one currency: debit positive."""

    currency: str
    kind: str
    debit: str


class TrialBalanceView(View):
    """Every kind of account by currency. Each currency sums to zero, or the book is broken."""

    lines: list[TrialLineView]
    sums: list[Amount]
    balanced: bool


@ROUTER.get("/balances")
def read_balances(
    request: Request,
    caller: Annotated[Caller, Needs("balances:read")],
    asked: Annotated[AskedBalances, Query()],
    front: AtFront,
) -> Listing[BalanceView]:
    """Read balances effective at `at` as known at `known_at`; a client's token reads its own."""
    client = _whose(caller, asked)
    touched(
        request,
        "read balances",
        client=None if client is None else ClientId(client),
        account=None if asked.account is None else Account(asked.account),
    )
    listing = "/".join(
        str(part)
        for part in ("balances", asked.account, client, asked.currency, asked.at, asked.known_at)
    )
    after = place_in(front.house, asked, listing)
    with front.reads.models(asked.after) as connection:
        found = balances(
            connection,
            at=asked.at,
            known_at=asked.known_at,
            account=asked.account,
            currency=asked.currency,
            client=client,
            after=after,
            limit=asked.limit,
        )
    touched(
        request,
        "read balances",
        clients=[owner_of(Account(r.account)) for r in found.rows if r.kind.startswith("client:")],
        accounts=[row.account for row in found.rows],
    )
    return page_of(front.house, found, _balance, listing)


@ROUTER.get("/statements")
def read_statement(
    request: Request,
    caller: Annotated[Caller, Needs("statements:read")],
    asked: Annotated[StatementQuery, Query()],
    front: AtFront,
) -> StatementView:
    """Read a wallet's statement, with opening, running and closing balance."""
    client = ClientId(asked.client)
    caller.must_see(client, caller.entity)
    account = client_account(caller.entity, "client:wallet", client)
    touched(request, "read statement", client=client, account=account)
    currency = asset(asked.currency).code
    listing = f"statements/{client}/{currency}/{asked.since}/{asked.until}/{asked.known_at}"
    with front.reads.models(asked.after) as connection:
        found = statement(
            connection,
            account,
            currency,
            asked.since,
            asked.until,
            known_at=asked.known_at,
            after=place_in(front.house, asked, listing),
            limit=asked.limit,
        )
    cursor = None if found.next is None else front.house.cursors.seal(found.next, listing)
    return StatementView(
        client=client,
        currency=currency,
        since=found.since,
        until=found.until,
        opening=plain(found.opening, currency),
        closing=plain(found.closing, currency),
        lines=[_line(line, currency) for line in found.lines],
        cursor=cursor,
    )


@ROUTER.get("/trial-balance")
def read_trial_balance(
    request: Request,
    caller: Annotated[Caller, Needs("trial-balance:read")],  # noqa: ARG001 - the door asks
    asked: Annotated[AsOf, Query()],
    front: AtFront,
) -> TrialBalanceView:
    """Read the trial balance effective at `at` as known at `known_at`."""
    touched(request, "read trial balance")
    with front.reads.models(asked.after) as connection:
        found = trial_balance(connection, at=asked.at, known_at=asked.known_at)
    return TrialBalanceView(
        lines=[
            TrialLineView(
                currency=line.currency, kind=line.kind, debit=plain(line.minor, line.currency)
            )
            for line in found.lines
        ],
        sums=[shown(minor, currency) for currency, minor in sorted(found.sums().items())],
        balanced=found.balanced,
    )


def _whose(caller: Caller, asked: AskedBalances) -> UUID | None:
    """Whose balances: a client's token sees its own accounts, and others look missing."""
    if asked.client is not None:
        caller.must_see(ClientId(asked.client), caller.entity)
    if asked.account is not None:
        account = Account(asked.account)
        kind_of(account)
        owner = owner_of(account)
        own = caller.client is None or owner == str(caller.client)
        if entity_of(account) != caller.entity or not own:
            raise NotFound("no such account", code="no_such_account")
    return asked.client if caller.client is None else caller.client


def _balance(row: Balance) -> BalanceView:
    return BalanceView(
        account=row.account,
        kind=row.kind,
        currency=row.currency,
        amount=plain(normal_side(row.minor, row.kind), row.currency),
        debit=plain(row.minor, row.currency),
    )


def _line(line: StatementLine, currency: str) -> LineView:
    return LineView(
        effective_at=line.effective_at,
        text=line.text,
        amount=plain(line.minor, currency),
        balance=plain(line.balance, currency),
        position=line.position,
    )
