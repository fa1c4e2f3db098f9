"""Who asks: the subject of a believed token, and what it may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import NotFound

if TYPE_CHECKING:
    from api.identity.scopes import Role
    from ledger.ids import ClientId, EntityId

PERSON: Final = "person:"
"""Subjects are `person:<name>` or `service:<name>`: some doors open for people only."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The subject of a believed token.

    Attributes:
        subject: `person:<name>` or `service:<name>`; names are references, never e-mail addresses.
        role: the token's role.
        entity: the legal entity whose book the token is for.
        client: the one client that a client's token reaches, else None.
        scopes: what the token asks for, cut down to what its role allows.
        token_id: the token's `jti`, or a digest of its signature; never the token.
    """

    subject: str
    role: Role
    entity: EntityId
    client: ClientId | None
    scopes: frozenset[str]
    token_id: str

    @property
    def is_person(self) -> bool:
        """Tell a person from a service."""
        return self.subject.startswith(PERSON)

    def sees(self, client: ClientId, entity: EntityId) -> bool:
        """Tell whether a client of this entity exists, as far as this caller can know."""
        return self.entity == entity and self.client in (None, client)

    def must_see(self, client: ClientId, entity: EntityId) -> None:
        """Refuse what the caller may not know of, in the words for what does not exist.

        Raises:
            NotFound: another entity's client, or not the token's own.
        """
        if not self.sees(client, entity):
            raise NotFound("nothing of that name here")
