"""What a source of secrets can do, and what a secret is: a value that shows itself only when asked.

SecretsError                what was asked for is not to be had; never quotes a value
├── SecretMissing           the reference leads nowhere
├── SecretsDenied           we may not: credentials or policy refuse us
├── SecretsUnavailable      sealed, unreachable, too slow, or too busy: it may pass
└── SecretConflict          somebody else wrote first: read again, then decide again
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

MASK: Final = "***"
_FORMS: Final = {
    "vault": re.compile(r"(?P<path>[a-z][a-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+)"
                        r"(#(?P<field>[A-Za-z][A-Za-z0-9_-]*))?"),
    "env": re.compile(r"(?P<path>[A-Z][A-Z0-9_]{1,127})"),
    "file": re.compile(r"(?P<path>/[^\s#\x00]{1,1024})"),
    "cred": re.compile(r"(?P<path>[A-Za-z0-9][A-Za-z0-9._-]{0,127})"),
}  # fmt: skip
SCHEMES: Final = tuple(_FORMS)


class SecretsError(Exception):
    """A secret is not to be had. The text names the reference, never a value."""


class SecretMissing(SecretsError):
    """The reference leads nowhere."""


class SecretsDenied(SecretsError):
    """Credentials or policy refuse us."""


class SecretsUnavailable(SecretsError):
    """The source is sealed, away, too slow or too busy: it may pass."""


class SecretConflict(SecretsError):
    """The secret has another version than the one that the change was made from."""


class NoReference(ValueError):
    """A text is no reference to a secret. What it is instead is not repeated."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a secret is: `vault:kv/psp/stripe#api_key`, `env:NAME`, `file:/path`, `cred:NAME`.

    Attributes:
        scheme: which source.
        path: the place in it; in a vault, the first part names the engine.
        field: of a vault's secret, which of its fields.
    """

    scheme: str
    path: str
    field: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference, strictly.

        Raises:
            NoReference: it is none.
        """
        scheme, colon, rest = text.partition(":")
        form = _FORMS.get(scheme)
        found = form.fullmatch(rest) if form and colon else None
        if found is None or ".." in rest.split("/"):
            raise NoReference(
                "this is no reference to a secret: write vault:kv/<path>#<field>, env:<NAME>, "
                "file:/<path> or cred:<name>, and keep the value there"
            )
        return cls(scheme, found["path"], found.groupdict().get("field") or "")

    @property
    def mount(self) -> str:
        """The vault's engine."""
        return self.path.partition("/")[0]

    @property
    def inner(self) -> str:
        """The place inside the vault's engine."""
        return self.path.partition("/")[2]

    def __str__(self) -> str:
        return f"{self.scheme}:{self.path}" + (f"#{self.field}" if self.field else "")


class Secret:
    """A value that no print, format, log, dump or pickle shows; `reveal` does.

    Attributes:
        version: the vault's; None where the source counts none.
        leased_until: when the source changes it by itself.
    """

    __slots__ = ("_hidden", "leased_until", "version")
    _hidden: Callable[[], str]

    def __init__(
        self, value: str, *, version: int | None = None, leased_until: datetime | None = None
    ) -> None:
        # A closure and no attribute: what walks through objects finds a function.
        self._hidden = lambda: value
        self.version = version
        self.leased_until = leased_until

    def reveal(self) -> str:
        """Give the value to whoever has to send it."""
        return self._hidden()

    def __repr__(self) -> str:
        return f"Secret({MASK}, version={self.version})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, _: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError("a secret is not copied out of its process")


class Signature(NamedTuple):
    """What a key of the vault signed, and which of its versions did."""

    version: int
    raw: bytes


class DataKey(NamedTuple):
    """A key for sealing: plain for now, wrapped to be kept."""

    plain: Secret
    wrapped: str


class Secrets(Protocol):
    """A source of secrets. Every method is for any thread, and may raise any `SecretsError`."""

    def read(self, reference: Reference) -> Secret:
        """Read a secret as it is now."""
        ...

    def born(self, reference: Reference) -> datetime | None:
        """Say since when the value is what it is; None where the source cannot know."""
        ...

    def close(self) -> None:
        """Let go of what is held."""
        ...


@runtime_checkable
class CanRotate(Protocol):
    """A source that takes new values, and makes some of them by itself."""

    def write(self, reference: Reference, value: Secret, *, expected: int) -> int:
        """Write a new value over the version that it was made from; return the new version.

        Raises:
            SecretConflict: the secret has another version by now.
        """
        ...

    def renew(self, reference: Reference) -> int | None:
        """Have the source make a new key or password by itself; return its version, if counted."""
        ...


@runtime_checkable
class Seals(Protocol):
    """A source that signs and seals with keys that it never gives away."""

    def sign(self, key: Reference, message: bytes, *, version: int = 0) -> Signature:
        """Sign with ed25519, with one version of the key or the newest."""
        ...

    def public_keys(self, key: Reference) -> Mapping[int, bytes]:
        """Return the public halves of every version of a signing key."""
        ...

    def data_key(self, key: Reference) -> DataKey:
        """Make a 256-bit key, wrapped by the named one. The plain half is base64."""
        ...

    def unwrap(self, key: Reference, wrapped: str) -> Secret:
        """Unwrap a key that `data_key` made; base64."""
        ...
