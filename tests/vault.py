"""A vault for tests: one real OpenBao server for each test process, and secrets of one's own in it.

Names are new in every test, so that one server serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from adapters.secrets import provision
from adapters.secrets.port import Reference
from adapters.secrets.session import AppRole, VaultSession
from adapters.secrets.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Sequence

    import hvac

    from adapters.secrets.openbao import OpenBao


@dataclass
class Corner:
    """A test's own corner of the server."""

    server: OpenBao
    name: str = field(default_factory=lambda: f"t{uuid4().hex[:10]}")

    @property
    def admin(self) -> hvac.Client:
        return self.server.administrator()

    def reference(self, path: str = "stripe", word: str = "api_key") -> Reference:
        return Reference.parse(f"vault:kv/{self.name}/{path}#{word}")

    def key(self, word: str) -> Reference:
        return Reference.parse(f"vault:transit/keys/{self.name}-{word}")

    def put(self, reference: Reference, value: str) -> None:
        provision.put(self.admin, reference, value)

    def identity(
        self, *references: Reference, rotating: bool = False, life: str = "20m", most: str = "1h"
    ) -> provision.Identity:
        name = f"{self.name}-{'rotator' if rotating else 'house'}"
        return provision.make_identity(
            self.admin, name, references, rotating=rotating, life=life, life_max=most
        )

    def deny(self) -> None:
        """Take everything away from the house."""
        self.admin.sys.create_or_update_policy(f"{self.name}-house", 'path "none" {}')

    def allow(self, references: Sequence[Reference]) -> None:
        """Give it back."""
        self.identity(*references)

    def opened(
        self, identity: provision.Identity, *, address: str | None = None, answer_s: float = 5
    ) -> Vault:
        """Log in, perhaps by another way than straight to the server."""
        role = AppRole(identity.role_id, lambda: identity.secret_id)
        return Vault(VaultSession(address or self.server.address, role, answer_s=answer_s))
