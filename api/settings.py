"""What a house is told from outside: one file, the environment for secrets, and nothing else."""

from __future__ import annotations

import os
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME: Final = "COUNTERFOIL_HOME"
CONFIG: Final = "COUNTERFOIL_CONFIG"
DATABASE_URL: Final = "DATABASE_URL"

_SLUG: Final = r"^[a-z][a-z0-9-]{1,31}$"
Slug = Annotated[str, Field(pattern=_SLUG)]


class SettingsRefused(Exception):
    """The settings cannot be served with; the text says what to change."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MerchantSettings(_Closed):
    """One account at a payment provider.

    Attributes:
        bank: our bank account that it settles to.
        address: the provider's base address; loopback for the simulator.
        financial_account: what v2 outbound payments are paid from.
    """

    name: Slug
    provider: Slug = "stripe"
    live: bool = False
    bank: Slug
    address: str = "https://api.stripe.com"
    financial_account: str = ""
    timeout_s: float = Field(default=10.0, gt=0, le=60)

    def secret(self, environ: Mapping[str, str], word: str) -> str:
        """Read a secret of this account: `COUNTERFOIL_<PROVIDER>_<NAME>_<WORD>`.

        Raises:
            SettingsRefused: it is not in the environment.
        """
        variable = f"COUNTERFOIL_{self.provider}_{self.name}_{word}".upper().replace("-", "_")
        if not environ.get(variable):
            raise SettingsRefused(f"set {variable}: secrets come in by the environment only")
        return environ[variable]


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
    """

    folder: Path | None = None
    events: int = Field(default=10_000, ge=1)
    seconds: int = Field(default=300, ge=1)


class Settings(_Closed):
    """The settings of one book. Defaults and their reasons: `docs/policies.md`.

    Attributes:
        four_eyes_above: minor units by currency up to which nobody needs to approve; a currency
            that is not named always asks for two people.
        kyc_level: the level that every withdrawal asks for.
        rates: `broker` deals on its own published prices only; `sandbox` deals on ECB reference
            rates and a labelled table too, and never beside a live merchant account.
        pair_markup_bps: by pair as it is published, e.g. `EUR/USD`; others take `markup_bps`.
        rate_band_bps: how far a published price may lie from the ECB's before it is parked.
    """

    entity: Slug = "acme-cy"
    home: Path = Path(".counterfoil")
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    issuer: str = "urn:counterfoil:sandbox"
    audience: str = "counterfoil"
    jwks: Path | None = None
    merchants: tuple[MerchantSettings, ...] = ()
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

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        names = [(m.provider, m.name) for m in self.merchants]
        if len(set(names)) != len(names):
            raise ValueError("a merchant account is named once")
        for merchant in self.merchants:
            if not _is_safe(merchant.address):
                raise ValueError(f"{merchant.name}: only loopback may be reached without TLS")
            if merchant.live and self.rates == "sandbox":
                raise ValueError(f"{merchant.name} is live: sandbox rates are not dealt on")
        return self


def load(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, **given: object
) -> Settings:
    """Read the settings: the file, then the environment, then what the command line gives.

    Raises:
        SettingsRefused: the file is unreadable or says what cannot be served.
    """
    named = path or (Path(environ[CONFIG]) if environ.get(CONFIG) else None)
    try:
        said = {} if named is None else tomllib.loads(named.read_text("utf-8"))
        if environ.get(HOME):
            said["home"] = environ[HOME]
        if environ.get(DATABASE_URL):
            said["database_url"] = environ[DATABASE_URL]
        said |= {key: value for key, value in given.items() if value is not None}
        return Settings.model_validate(said)
    except (OSError, ValueError) as error:
        raise SettingsRefused(f"the settings cannot be read: {error}") from error


def _is_safe(address: str) -> bool:
    return address.startswith("https://") or bool(
        re.fullmatch(r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?/?", address)
    )
