"""What may travel where: verified TLS, or this machine; nothing else is reached, nothing served.

Every check is pure: an address in, a refusal or nothing out. A refusal never quotes the address,
which may hold a password.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from itertools import zip_longest
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERIFIED: Final = "verify-full"
"""The only mode of libpq that knows whom it talks to."""
_SAFE: Final = re.compile(
    r"https://[^\s/@?#\\]+(/[^\s@?#\\]*)?"
    r"|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?(/[^\s@?#\\]*)?"
)
_MODES: Final = re.compile(r"(?:^|[\s?&])sslmode\s*=")
_WHAT_TO_ADD: Final = (
    f"add sslmode={VERIFIED} and sslrootcert=<the file of its authority> to the address"
)
_ELSEWHERE: Final = {
    "PGHOSTADDR": "hostaddr",
    "PGHOST": "host",
    "PGSERVICE": "service",
}
"""Variables by which libpq would go somewhere that the address does not say."""


class TransportRefused(ValueError):
    """Something would travel in the clear, or to whoever answers. The text says what to change."""


def is_safe_address(address: str) -> bool:
    """Tell verified TLS, or plain HTTP on this machine; never with a password in the address."""
    return _SAFE.fullmatch(address) is not None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: a loopback address, `localhost`, or a socket's path."""
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return "%" not in host and ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_open_endpoint(what: str, address: str) -> None:
    """Refuse an HTTP endpoint that is neither TLS nor on this machine.

    Raises:
        TransportRefused: it is not, or it names a user.
    """
    if not is_safe_address(address):
        raise TransportRefused(
            f"{what}: write https://<host>; plain http is for 127.0.0.1, localhost and [::1] only, "
            "and no user, password or query belongs into it"
        )


def refuse_open_door(host: str, *, encrypted: bool, terminated: bool) -> None:
    """Refuse to serve callers of other machines in the clear.

    Args:
        host: what we listen on; an empty one would be every interface.
        encrypted: we have a certificate of our own.
        terminated: a proxy that is trusted ends TLS before us.

    Raises:
        TransportRefused: tokens would be readable on their way.
    """
    if encrypted or terminated or (host and is_loopback(host)):
        return
    raise TransportRefused(
        "only loopback is served without TLS: name `tls.certificate` and `tls.key`, or, where a "
        "proxy that you trust ends TLS, say `tls.terminated_upstream = true`"
    )


def refuse_open_database(what: str, address: str, environ: Mapping[str, str]) -> None:
    """Refuse a database that is neither on this machine nor reached by verified TLS.

    Args:
        what: where the address was written.
        address: a URL or a keyword string of libpq; every host in it is looked at.
        environ: libpq reads it too.

    Raises:
        TransportRefused: with what to add.
    """
    try:
        said = {name: str(value) for name, value in conninfo_to_dict(address).items()}
    except psycopg.ProgrammingError:
        # What the driver says of the address quotes it, its password too.
        raise TransportRefused(f"{what}: the URL is no address of a PostgreSQL database") from None
    for variable, word in _ELSEWHERE.items():
        if environ.get(variable) and not said.get(word):
            raise TransportRefused(
                f"{what}: {variable} in the environment would lead elsewhere: unset it, and write "
                f"the host into the address"
            )
    if said.get("service"):
        raise TransportRefused(
            f"{what}: a service file may lead anywhere: write host and port into the address"
        )
    if len(_MODES.findall(unquote(address))) > 1:
        raise TransportRefused(f"{what}: sslmode is said twice: say it once")
    far = [name for name, target in _targets(said) if not is_loopback(target)]
    if far:
        _refuse_unverified(what, said, named=all(far))


def _targets(said: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give each host by its name and by where a connection to it really goes."""
    names, places = said.get("host", "").split(","), said.get("hostaddr", "").split(",")
    if not said.get("hostaddr"):
        places = []
    for name, place in zip_longest(names, places, fillvalue=""):
        yield name, place or name


def _refuse_unverified(what: str, said: Mapping[str, str], *, named: bool) -> None:
    if said.get("sslmode") != VERIFIED:
        raise TransportRefused(
            f"{what}: a server that is not this machine is reached by verified TLS only: "
            f"{_WHAT_TO_ADD} (PGSSLMODE in the environment does not count)"
        )
    if not named:
        raise TransportRefused(
            f"{what}: hostaddr says where, and no host says whose certificate: add host=<its name>"
        )
    if not said.get("sslrootcert"):
        raise TransportRefused(
            f"{what}: sslmode={VERIFIED} has nobody to believe: add sslrootcert=<file>, or "
            "sslrootcert=system"
        )
