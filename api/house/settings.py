"""What a house is told from outside: one file, the environment for secrets, and nothing else."""

from __future__ import annotations

import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    field_validator,
    model_validator,
)

from adapters.secrets.port import Reference
from adapters.transport import is_loopback, refuse_open_endpoint
from api.door.turnstile import RateSettings
from api.house.secret_settings import (
    DatabaseAddress,
    LoginSettings,
    SecretReference,
    VaultSettings,
    complaints,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME: Final = "COUNTERFOIL_HOME"
CONFIG: Final = "COUNTERFOIL_CONFIG"
DATABASE_URL: Final = "DATABASE_URL"

TOKEN_LIFETIME_S_MAX: Final = 3600
"""No setting allows more: a stolen token is soon worthless."""

_SLUG: Final = r"^[a-z][a-z0-9-]{1,31}$"
Slug = Annotated[str, Field(pattern=_SLUG)]
Origin = Annotated[str, Field(pattern=r"^https://[a-z0-9][a-z0-9.-]{0,252}(:[1-9][0-9]{0,4})?$")]


class SettingsRefused(Exception):
    """The settings cannot be served with; the text says what to change."""


class _Closed(BaseModel):
    # What was written in the wrong place may be a secret: a complaint never quotes it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MerchantSettings(_Closed):
    """One account at a payment provider.

    Attributes:
        bank: our bank account that it settles to.
        address: the provider's base address; loopback for the simulator.
        financial_account: what v2 outbound payments are paid from.
        api_key: where the key to the provider's API is; `env:COUNTERFOIL_<PROVIDER>_<NAME>_API_KEY`
            where nothing is said.
        webhook_secrets: where the secrets that sign its messages are, one or two with a comma
            between; `…_WEBHOOK_SECRETS` in the same way.
    """

    name: Slug
    provider: Slug = "stripe"
    live: bool = False
    bank: Slug
    address: str = "https://api.stripe.com"
    financial_account: str = ""
    timeout_s: float = Field(default=10.0, gt=0, le=60)
    api_key: SecretReference | None = None
    webhook_secrets: SecretReference | None = None

    @property
    def api_key_at(self) -> Reference:
        """Where the key to the provider's API is."""
        return self._at(self.api_key, "API_KEY")

    @property
    def webhook_secrets_at(self) -> Reference:
        """Where the secrets of its webhook are."""
        return self._at(self.webhook_secrets, "WEBHOOK_SECRETS")

    def _at(self, said: str | None, word: str) -> Reference:
        if said is not None:
            return Reference.parse(said)
        variable = f"COUNTERFOIL_{self.provider}_{self.name}_{word}".upper().replace("-", "_")
        return Reference("env", variable)


class PatienceSettings(_Closed):
    """How long the worker waits before it asks again, in seconds."""

    request_life_s: float = 180
    unheard_s: float = 600
    events_s: float = 300
    again_s: float = 5


class CheckpointSettings(_Closed):
    """When a checkpoint of a log is written, and where to.

    Attributes:
        folder: better on another machine's disk; `checkpoints` in the home by default.
        events: at the latest after so many.
        seconds: at the latest so long after the last one, where anything is new.
        key: a signing key that stays in the vault, `vault:transit/keys/<name>`; a file in the home
            by default.
        trusted: earlier keys that checkpoints were signed with, as `counterfoil checkpoints` shows
            them; those that the vault or the home still has need not be named.
    """

    folder: Path | None = None
    events: int = Field(default=10_000, ge=1)
    seconds: int = Field(default=300, ge=1)
    key: SecretReference | None = None
    trusted: tuple[str, ...] = ()


class TokenSettings(_Closed):
    """What the issuer's tokens must be, beyond what every token must.

    Attributes:
        lifetime_s_max: from issue to expiry.
        typed: they say `typ: at+jwt`, and what does not is refused.
        bound: each is bound to its bearer's certificate (RFC 8705).
    """

    lifetime_s_max: int = Field(default=TOKEN_LIFETIME_S_MAX, ge=60, le=TOKEN_LIFETIME_S_MAX)
    typed: bool = False
    bound: bool = False


class TlsSettings(_Closed):
    """How callers reach us where no proxy stands before us, and who tells their certificates.

    Attributes:
        certificate: ours with its chain, PEM; `key` belongs to it.
        callers: the authority of callers' certificates; nobody is asked for one without it.
        proxy_certificates: a proxy on this machine replaces `Client-Cert` on every call, and is
            believed; only on loopback.
        terminated_upstream: a proxy that is trusted ends TLS on its way to us, so that we may
            listen beyond loopback without a certificate.
    """

    certificate: Path | None = None
    key: Path | None = None
    callers: Path | None = None
    proxy_certificates: bool = False
    terminated_upstream: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate and its key are named together")
        if self.callers is not None and self.certificate is None:
            raise ValueError("callers can show a certificate to TLS of our own only")
        return self


class Settings(_Closed):
    """The settings of one book. Defaults and their reasons: `docs/policies.md`.

    Attributes:
        four_eyes_above: minor units by currency up to which nobody needs to approve; a currency
            that is not named always asks for two people.
        kyc_level: the level that every withdrawal asks for.
        database_url: an address without a password, or a reference to one with it.
        database_logins: by role, a user of its own whose password is a secret.
        master_key: what seals raw messages: 64 hexadecimal digits, or a key of the vault's transit
            that wraps it; without, `COUNTERFOIL_MASTER_KEY` or a file in the home.
        jwks: the token issuer's keys: a file, or an address (https, or this machine).
        shared_database_login: accept, on a server that is not this machine, one login for several
            database roles; whoever holds it can act as all of them.
        calls: how often each identity may call, for each process.
        origins: whose browsers may call us, `https://…` each; nobody's by default.
        internal_networks: of our own, where the token issuer may be; otherwise it is public.
        traces: `log` writes spans as lines of the log (docs/logs.md).
        rates: `broker` deals on its own published prices only; `sandbox` deals on ECB reference
            rates and a labelled table too, and never beside a live merchant account.
        pair_markup_bps: by pair as it is published, e.g. `EUR/USD`; others take `markup_bps`.
        rate_band_bps: how far a published price may lie from the ECB's before it is parked.
    """

    entity: Slug = "acme-cy"
    home: Path = Path(".counterfoil")
    database_url: DatabaseAddress | None = None
    database_logins: dict[str, LoginSettings] = {}
    vault: VaultSettings | None = None
    master_key: SecretReference | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    issuer: str = "urn:counterfoil:sandbox"
    audience: str = "counterfoil"
    jwks: Path | str | None = None
    tokens: TokenSettings = TokenSettings()
    tls: TlsSettings = TlsSettings()
    shared_database_login: bool = False
    calls: RateSettings = RateSettings()
    origins: tuple[Origin, ...] = ()
    internal_networks: tuple[IPvAnyNetwork, ...] = ()
    merchants: tuple[MerchantSettings, ...] = ()
    traces: Literal["off", "log"] = "off"
    kyc_level: int = Field(default=1, ge=1, le=3)
    four_eyes_above: dict[str, int] = {}
    markup_bps: Decimal = Field(default=Decimal(100), ge=0, lt=10_000)
    quote_valid_s: int = Field(default=60, ge=1, le=3600)
    patience: PatienceSettings = PatienceSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    rates: str = Field(default="broker", pattern=r"^(sandbox|broker)$")
    pair_markup_bps: dict[str, Annotated[Decimal, Field(ge=0, lt=10_000)]] = {}
    rate_max_age_s: int = Field(default=60, ge=1, le=86_400)
    rate_band_bps: Decimal | None = Field(default=None, gt=0, lt=10_000)

    def markup_of(self, sold: str, bought: str) -> Decimal:
        """The markup on a pair, whichever way round it is published, in basis points."""
        for pair in (f"{sold}/{bought}", f"{bought}/{sold}"):
            if pair in self.pair_markup_bps:
                return self.pair_markup_bps[pair]
        return self.markup_bps

    @field_validator("jwks", mode="before")
    @classmethod
    def _address_or_file(cls, said: object) -> object:
        return Path(said) if isinstance(said, str) and "://" not in said else said

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        names = [(m.provider, m.name) for m in self.merchants]
        if len(set(names)) != len(names):
            raise ValueError("a merchant account is named once")
        if isinstance(self.jwks, str):
            refuse_open_endpoint("jwks", self.jwks)
        if self.tls.proxy_certificates and not is_loopback(self.host):
            raise ValueError("a proxy is believed on loopback only")
        for merchant in self.merchants:
            refuse_open_endpoint(merchant.name, merchant.address)
            if merchant.live and self.rates == "sandbox":
                raise ValueError(f"{merchant.name} is live: sandbox rates are not dealt on")
        return self


def load(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, **given: object
) -> Settings:
    """Read the settings: the file, then the environment, then what the command line gives.

    Raises:
        SettingsRefused: the file is unreadable, holds a secret, or says what cannot be served.
    """
    named = path or (Path(environ[CONFIG]) if environ.get(CONFIG) else None)
    try:
        said = {} if named is None else tomllib.loads(named.read_text("utf-8"))
        if plain := complaints(said):
            raise SettingsRefused("; ".join(plain))
        if environ.get(HOME):
            said["home"] = environ[HOME]
        if environ.get(DATABASE_URL):
            said["database_url"] = f"env:{DATABASE_URL}"
        said |= {key: value for key, value in given.items() if value is not None}
        return Settings.model_validate(said)
    except (OSError, ValueError) as error:
        raise SettingsRefused(f"the settings cannot be read: {error}") from error
