"""A registered client of a legal entity."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from clients.facts import ActivityKind, ActivityNoted, Category, ClientRegistered
from ledger.decision import Decision, Fact, Kind, Stream
from ledger.errors import Conflict, InvalidInput, NotFound
from ledger.ids import ClientId, EntityId
from ledger.money import asset

if TYPE_CHECKING:
    from datetime import datetime

_COUNTRY = re.compile(r"[A-Z]{2}")
_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class ClientState(msgspec.Struct, frozen=True):
    """What the books need to know of a client."""

    client: ClientId = ClientId(UUID(int=0))
    entity: EntityId = EntityId("")
    residence: str = ""
    category: Category = Category.RETAIL
    account_currency: str = ""

    @property
    def is_registered(self) -> bool:
        """Whether the client exists."""
        return bool(self.entity)


def evolve(state: ClientState, fact: Fact) -> ClientState:
    """Fold one fact into the client."""
    match fact:
        case ClientRegistered():
            return ClientState(
                fact.client, fact.entity, fact.residence, fact.category, fact.account_currency
            )
        case _:
            return state


CLIENT: Kind[ClientState] = Kind("client", ClientState(), evolve)


def client_stream(client: ClientId) -> Stream[ClientState]:
    """Name a client's stream."""
    return CLIENT(client)


def require_client(decision: Decision, client: ClientId, entity: EntityId) -> ClientState:
    """Return the client of this entity, or refuse; another entity's client does not exist here."""
    state = decision.get(client_stream(client))
    if not state.is_registered or state.entity != entity:
        raise NotFound("no such client", code="no_such_client")
    return state


def register(
    decision: Decision,
    client: ClientId,
    entity: EntityId,
    *,
    residence: str,
    category: Category,
    account_currency: str,
    name_ref: str,
) -> None:
    """Register a client.

    Args:
        residence: ISO 3166-1 alpha-2 country of residence.
        account_currency: the currency in which the client is credited.
        name_ref: reference to the client's record in the CRM; never the name itself.
    """
    if not _COUNTRY.fullmatch(residence):
        raise InvalidInput("residence is an ISO 3166-1 alpha-2 code", code="bad_country")
    if not asset(account_currency).usable_on(decision.at.date()):
        raise InvalidInput(f"{account_currency} takes no new amounts", code="currency_retired")
    _check_reference(name_ref)
    if decision.get(client_stream(client)).is_registered:
        raise Conflict("the client is registered already", code="already_registered")
    decision.record(
        client_stream(client),
        ClientRegistered(
            client=client,
            entity=entity,
            residence=residence,
            category=category,
            account_currency=account_currency,
            name_ref=name_ref,
        ),
    )


def note_activity(
    decision: Decision,
    client: ClientId,
    entity: EntityId,
    kind: ActivityKind,
    *,
    happened_at: datetime,
    ip_ref: str | None = None,
    device_ref: str | None = None,
    terms_version: str | None = None,
) -> None:
    """Record that the client logged in, accepted terms or changed something, by reference."""
    require_client(decision, client, entity)
    for reference in (ip_ref, device_ref, terms_version):
        if reference is not None:
            _check_reference(reference)
    decision.record(
        client_stream(client),
        ActivityNoted(
            kind=kind,
            happened_at=happened_at,
            ip_ref=ip_ref,
            device_ref=device_ref,
            terms_version=terms_version,
        ),
        at=happened_at,
    )


def _check_reference(reference: str) -> None:
    if not _REFERENCE.fullmatch(reference):
        raise InvalidInput("a reference is 1-64 of A-Z a-z 0-9 . _ : -", code="bad_reference")
