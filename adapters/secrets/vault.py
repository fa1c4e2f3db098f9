"""Secrets in a vault that speaks HashiCorp's API: KV v2, transit, static database roles.

A reference's first part names the engine: `kv/…` is KV v2, `transit/keys/<key>` a key that stays
there, `database/static-creds/<role>#password` a password that the vault changes by itself.
"""

from __future__ import annotations

import base64
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from adapters.secrets.port import (
    DataKey,
    Reference,
    Secret,
    SecretConflict,
    SecretMissing,
    Signature,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import hvac

    from adapters.secrets.session import VaultSession

TRANSIT: Final = "transit"
DATABASE: Final = "database"
_KEYS: Final = "keys/"
_STATIC: Final = "static-creds/"


class Vault:
    """One vault, through one login."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session

    def read(self, reference: Reference) -> Secret:
        """Read a field of a secret; of a static role, its user's password and until when."""
        if reference.mount == DATABASE:
            password, said = self._static(reference)
            until = datetime.now(UTC) + timedelta(seconds=said["ttl"])
            return Secret(password.reveal(), leased_until=until)
        fields, said = self._version(reference, None)
        return Secret(_field(fields, reference).reveal(), version=said["version"])

    def born(self, reference: Reference) -> datetime | None:
        """Say since when the value is what it is.

        Several secrets may share a path, whose newest version then says nothing of each: the
        versions are walked back for as long as the field's value is the same.
        """
        match reference.mount:
            case mount if mount == DATABASE:
                return _time(self._static(reference)[1]["last_vault_rotation"])
            case mount if mount == TRANSIT:
                keys = self._key(reference)
                return _time(_creation(keys["keys"][str(keys["latest_version"])]))
        fields, said = self._version(reference, None)
        value, at = _field(fields, reference), said["created_time"]
        for version in range(said["version"] - 1, 0, -1):
            with contextlib.suppress(SecretMissing):
                fields, said = self._version(reference, version)
                if fields.get(reference.field) == value:
                    at = said["created_time"]
                    continue
            break
        return _time(at)

    def write(self, reference: Reference, value: Secret, *, expected: int) -> int:
        """Write one field over the version that it was read at; the path's others stay."""
        fields: dict[str, Secret] = {}
        if expected:
            try:
                fields, _ = self._version(reference, expected)
            except SecretMissing:
                raise SecretConflict(f"{reference} has no version {expected}") from None
        changed = {**fields, reference.field: value}

        def write(client: hvac.Client) -> Any:
            return client.secrets.kv.v2.create_or_update_secret(
                reference.inner,
                {name: each.reveal() for name, each in changed.items()},
                cas=expected,
                mount_point=reference.mount,
            )

        return int(self._session.call(write, str(reference))["data"]["version"])

    def renew(self, reference: Reference) -> int | None:
        """Have a key's next version made, or a static role's password changed, now."""
        if reference.mount == TRANSIT:
            name = _inner(reference, _KEYS)
            self._session.call(lambda c: c.secrets.transit.rotate_key(name), str(reference))
            return int(self._key(reference)["latest_version"])
        name = _inner(reference, _STATIC)
        self._session.call(
            lambda c: c.secrets.database.rotate_static_role_credentials(name), str(reference)
        )
        return None

    def sign(self, key: Reference, message: bytes, *, version: int = 0) -> Signature:
        """Sign with ed25519; the key stays in the vault."""
        name, said = _inner(key, _KEYS), base64.b64encode(message).decode()
        answer = self._session.call(
            lambda c: c.secrets.transit.sign_data(name, said, key_version=version or None), str(key)
        )
        _, made, raw = answer["data"]["signature"].split(":", 2)
        return Signature(int(made.removeprefix("v")), base64.b64decode(raw, validate=True))

    def public_keys(self, key: Reference) -> Mapping[int, bytes]:
        """Return the public half of every version that the vault still has."""
        return {
            int(version): base64.b64decode(each["public_key"], validate=True)
            for version, each in self._key(key)["keys"].items()
        }

    def data_key(self, key: Reference) -> DataKey:
        """Have a key made and wrapped."""
        name = _inner(key, _KEYS)
        made = self._session.call(
            lambda c: c.secrets.transit.generate_data_key(name, "plaintext"), str(key)
        )["data"]
        return DataKey(Secret(made["plaintext"]), made["ciphertext"])

    def unwrap(self, key: Reference, wrapped: str) -> Secret:
        """Have a wrapped key opened."""
        name = _inner(key, _KEYS)
        opened = self._session.call(
            lambda c: c.secrets.transit.decrypt_data(name, wrapped), str(key)
        )
        return Secret(opened["data"]["plaintext"])

    def close(self) -> None:
        """Log out."""
        self._session.close()

    def _version(
        self, reference: Reference, version: int | None
    ) -> tuple[dict[str, Secret], dict[str, Any]]:
        """Read one version, or the newest: its fields, masked at once, and what is said of it."""
        answer = self._session.call(
            lambda c: c.secrets.kv.v2.read_secret_version(
                reference.inner, version, reference.mount, raise_on_deleted_version=True
            ),
            str(reference),
        )
        fields = answer["data"].pop("data")
        return {name: _masked(each) for name, each in fields.items()}, answer["data"]["metadata"]

    def _static(self, reference: Reference) -> tuple[Secret, dict[str, Any]]:
        """Read a static role: its user's password, masked at once, and what is said of it."""
        name = _inner(reference, _STATIC)
        answer = self._session.call(
            lambda c: c.secrets.database.get_static_credentials(name), str(reference)
        )
        return _masked(answer["data"].pop("password")), answer["data"]

    def _key(self, reference: Reference) -> dict[str, Any]:
        name = _inner(reference, _KEYS)
        answer = self._session.call(lambda c: c.secrets.transit.read_key(name), str(reference))
        found: dict[str, Any] = answer["data"]
        return found


def _inner(reference: Reference, prefix: str) -> str:
    if not reference.inner.startswith(prefix):
        raise SecretMissing(f"{reference} must lie under {reference.mount}/{prefix}")
    return reference.inner.removeprefix(prefix)


def _masked(value: Any) -> Secret:
    return Secret(value if isinstance(value, str) else "")


def _field(fields: Mapping[str, Secret], reference: Reference) -> Secret:
    value = fields.get(reference.field)
    if value is None or not value.reveal():
        raise SecretMissing(f"{reference}: the secret has no such field")
    return value


def _creation(version: Any) -> Any:
    return version["creation_time"] if isinstance(version, dict) else version


def _time(said: Any) -> datetime:
    """Read the vault's time: RFC 3339 with nanoseconds, or seconds for symmetric keys."""
    if isinstance(said, int):
        return datetime.fromtimestamp(said, UTC)
    # The vault writes nanoseconds, of which Python reads six digits.
    whole, _, rest = said.partition(".")
    digits = rest.rstrip("Z")[:6]
    return datetime.fromisoformat(f"{whole.rstrip('Z')}.{digits or '0'}+00:00")
