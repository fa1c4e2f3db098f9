"""Running everything in one process: database, book, projections, worker, doors, and a sandbox."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe.simulator import StripeSimulator
from api.house.bootstrap import open_house, wall_clock, working
from api.house.logs import log_to_stderr
from api.house.sandbox_vault import HOUSE_PROOF, ROTATOR_PROOF, open_vaulted_house
from api.house.settings import MerchantSettings, SettingsRefused
from api.identity.devtokens import AUDIENCE, ISSUER, DevIssuer
from api.identity.scopes import Role
from api.serve import serving
from api.shell.opening import are_there, books_at
from ledger.ids import ClientId, EntityId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from uuid import UUID

    from api.house.bootstrap import House
    from api.house.sandbox_vault import Moved
    from api.house.settings import Settings
    from api.shell.output import Output

MERCHANT: Final = "stripe-eu"
BANK: Final = "eurobank"
FINANCIAL_ACCOUNT: Final = "fa_sandbox"
FOUR_EYES_ABOVE: Final = {"EUR": 2_000_00, "USD": 2_000_00, "GBP": 2_000_00}
"""Minor units up to which nobody approves in the sandbox."""
TOUR: Final = r"""
Try, in another terminal:

  export COUNTERFOIL_HOME=@HOME STRIPE=@STRIPE
  counterfoil() { @PROGRAM "$@"; }
  ask() { curl -s -H "Authorization: Bearer $(counterfoil token $1)" "@API$2" "${@:3}"; }
  write() { ask "$1" "$2" -H "Content-Type: application/json" \
    -H "Idempotency-Key: $(cat /proc/sys/kernel/random/uuid)" -d "$3"; }
  field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

  CLIENT=$(write crm /v1/clients '{"residence":"CY","category":"retail",
    "account_currency":"USD","name_ref":"crm:1"}' | field client)
  for person in ann ben; do write "finance --subject person:$person" /v1/rates \
    '{"base":"EUR","quote":"USD","bid":"1.09980","ask":"1.10020"}'; done
  PAYMENT=$(write "client --client $CLIENT" /v1/deposits '{"client":"'$CLIENT'",
    "amount":"1000.00","currency":"EUR","provider":"stripe","merchant_account":"stripe-eu",
    "method":"card"}' | field reference)
  curl -s $STRIPE/_sim/pay -d '{"intent":"'$PAYMENT'"}' > /dev/null    # the card is charged
  sleep 2; ask "client --client $CLIENT" /v1/clients/$CLIENT/wallets
  counterfoil trial-balance; counterfoil verify; counterfoil events tail

The market sleeps from Friday 17:00 to Sunday 17:00 in New York: money that has to be converted
then waits. The simulated Stripe forgets everything when this house closes. Ctrl-C closes it."""
_SECRETS: Final = "COUNTERFOIL_STRIPE_STRIPE_EU_"


def up(
    settings: Settings,
    out: Output,
    *,
    sandbox: bool,
    vault: bool = False,
    after_restore: bool = False,
) -> int:
    """Serve until a signal ends it."""
    if vault and not sandbox:
        raise SettingsRefused("--vault is the sandbox's; a vault of yours is named in the settings")
    closing = _closing()
    log_to_stderr(logging.WARNING if sandbox else logging.INFO, traces=settings.traces == "log")
    with contextlib.ExitStack() as open_:
        stripe = open_.enter_context(_stripe()) if sandbox else None
        environ = dict(os.environ)
        if stripe is not None:
            environ |= _sandbox_secrets()
            settings = _in_sandbox(settings, stripe.url)
        house, moved = open_.enter_context(_opened(settings, environ, vault=vault))
        open_.enter_context(working(house, after_restore=after_restore))
        url = open_.enter_context(serving(house))
        if stripe is not None:
            secret = environ[f"{_SECRETS}WEBHOOK_SECRETS"]
            stripe.send_webhooks_to(f"{url}/webhooks/stripe/{MERCHANT}", secret)
            stripe.deliver_by_itself()
        _tell(out, settings, url, None if stripe is None else stripe.url)
        if moved is not None:
            _tell_vault(out, settings, moved)
        closing.wait()
    out.say("closed")
    return 0


@contextlib.contextmanager
def _opened(
    settings: Settings, environ: dict[str, str], *, vault: bool
) -> Iterator[tuple[House, Moved | None]]:
    if vault:
        with open_vaulted_house(settings, environ) as opened:
            yield opened
        return
    with open_house(settings, environ=environ) as house:
        yield house, None


def token(settings: Settings, out: Output, role: str, *, client: UUID | None, subject: str) -> int:
    """Mint a token of the sandbox: for an hour, believed by a house on the same home only."""
    if (role == Role.CLIENT) != (client is not None):
        raise SettingsRefused("a client's token names its client, others name none")
    if are_there(settings):
        with books_at(settings):
            pass  # recorded: it opens everything that it can be used for
    issuer = DevIssuer.at_home(settings.home)
    minted = issuer.mint(
        Role(role),
        EntityId(settings.entity),
        subject=subject,
        client=None if client is None else ClientId(client),
    )
    out.data({"role": role, "token": minted})
    if not out.json:
        out.raw(f"{minted}\n")
    return 0


@contextlib.contextmanager
def _stripe() -> Iterator[StripeSimulator]:
    # Another seed each time: the books of the home remember the ids of the last one.
    with StripeSimulator(secrets.randbits(32), wall_clock) as stripe:
        yield stripe


def _sandbox_secrets() -> dict[str, str]:
    return {
        f"{_SECRETS}API_KEY": "sk_test_sandbox",
        f"{_SECRETS}WEBHOOK_SECRETS": f"whsec_{secrets.token_hex(16)}",
    }


def _in_sandbox(settings: Settings, stripe_url: str) -> Settings:
    issuer = DevIssuer.at_home(settings.home)
    merchant = MerchantSettings(
        name=MERCHANT, bank=BANK, address=stripe_url, financial_account=FINANCIAL_ACCOUNT
    )
    given = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks": issuer.jwks,
        "merchants": (merchant,),
        "four_eyes_above": dict(FOUR_EYES_ABOVE) | settings.four_eyes_above,
        "rates": "sandbox",
        "rate_max_age_s": 86_400,
        "rate_band_bps": Decimal(1_000),
    }
    return settings.model_copy(update=given)


def _closing() -> threading.Event:
    """Be told of the signal that closes the house; the second of its kind ends it at once."""
    told = threading.Event()

    def hear(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hear)
    return told


def _tell_vault(out: Output, settings: Settings, moved: Moved) -> None:
    """Say how to rotate from another terminal: settings and proofs lie in files of the home."""
    folder = settings.home.absolute() / "openbao"
    config = folder / "counterfoil.toml"
    said = moved.settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    lines = [f"{name} = {_toml(value)}\n" for name, value in said.items()]
    config.write_text("".join(lines), "utf-8")
    proof = folder / "proof.sh"
    with os.fdopen(os.open(proof, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        for name in (HOUSE_PROOF, ROTATOR_PROOF):
            file.write(f"export {name}={moved.environ[name]}\n")
    out.say(f"\nIts secrets are in OpenBao at {moved.server.address}. To see and rotate them:\n")
    out.say(f"  . {proof}; export COUNTERFOIL_CONFIG={config}")
    out.say("  counterfoil secrets; counterfoil secrets rotate database-password/finance_reader")


def _toml(value: object) -> str:
    """Write a value as TOML does, whose texts, numbers and lists are those of JSON."""
    if isinstance(value, dict):
        inner = (f"{json.dumps(name)} = {_toml(each)}" for name, each in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _tell(out: Output, settings: Settings, url: str, stripe: str | None) -> None:
    out.data({"entity": settings.entity, "home": str(settings.home), "api": url, "stripe": stripe})
    out.say(f"{settings.entity}: the doors are at {url}, the books in {settings.home}")
    if stripe is None:
        return
    out.say(f"a simulated Stripe is at {stripe}; its webhooks come by themselves\n")
    places = {
        "@API": url,
        "@STRIPE": stripe,
        "@HOME": str(settings.home.resolve()),
        "@PROGRAM": str(Path(sys.argv[0]).resolve()),
    }
    tour = TOUR
    for mark, place in places.items():
        tour = tour.replace(mark, place)
    out.say(tour)
