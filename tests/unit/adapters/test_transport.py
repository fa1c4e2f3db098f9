"""Nothing leaves this machine, and nobody is served on it, without verified TLS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from pydantic import ValidationError

from adapters.database.errors import UrlUnsafe
from adapters.database.roles import open_database
from adapters.transport import (
    TransportRefused,
    is_loopback,
    is_safe_address,
    refuse_open_database,
    refuse_open_door,
    refuse_open_endpoint,
)
from api.house.secret_settings import VaultSettings
from api.house.settings import MerchantSettings, Settings, SettingsRefused
from api.serve import serving

if TYPE_CHECKING:
    from api.house.bootstrap import House

ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing binds to it here
TRICKS = (
    "127.0.0.1.evil.com",
    "localhost.evil",
    "localhost.",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "127.1",
    "0177.0.0.1",
    "[::1]%25",
    "[::1%25lo]",
    "[::ffff:127.0.0.1]",
    "user@127.0.0.1",
    "127.0.0.1@evil.com",
    "127.0.0.1#.evil.com",
    "127.0.0.1?.evil.com",
    "127.0.0.1\\.evil.com",
    "127.0.0.1 .evil.com",
    "\uff10127.0.0.1",
    ANYWHERE,
    "10.0.0.1",
    "",
)
NEAR = ("127.0.0.1", "localhost", "[::1]")


def open_merchant(address: str) -> None:
    merchant = MerchantSettings(name="acme", bank="bank", address=address)
    Settings(merchants=(merchant,))


def open_jwks(address: str) -> None:
    Settings(jwks=address)


def open_vault(address: str) -> None:
    VaultSettings(role_id="house", secret_id="env:PROOF", address=address)


def open_endpoint(address: str) -> None:
    refuse_open_endpoint("platform", address)


ENDPOINTS = (open_merchant, open_jwks, open_vault, open_endpoint)


@pytest.mark.parametrize("reach", ENDPOINTS)
@pytest.mark.parametrize("host", TRICKS)
def test_refuses_plain_http_to_what_only_looks_like_this_machine(reach: Any, host: str) -> None:
    with pytest.raises((ValidationError, TransportRefused)):
        reach(f"http://{host}:8200/keys")


@pytest.mark.parametrize("reach", ENDPOINTS)
@pytest.mark.parametrize(
    "address",
    ["https://user:hush@psp.example", "https://psp.example@evil.com", "ftp://psp.example",
     "HTTP://psp.example", "https://", "https:///keys"],
)  # fmt: skip
def test_refuses_a_user_in_the_address_and_any_other_scheme(reach: Any, address: str) -> None:
    with pytest.raises((ValidationError, TransportRefused)) as refused:
        reach(address)

    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("reach", ENDPOINTS)
def test_reaches_tls_anywhere_and_this_machine_in_the_clear(reach: Any) -> None:
    for host in NEAR:
        reach(f"http://{host}:8200")
        reach(f"https://{host}:8200")
    reach("https://psp.example")
    reach("https://127.0.0.1.evil.com:8200")  # its certificate says who it is


FAR = "postgresql://book:hush@db.example/book"
VERIFIED = f"{FAR}?sslmode=verify-full&sslrootcert=/etc/book/ca.pem"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://book:hush@127.0.0.1/book",
        "postgresql://book@localhost:5433/book",
        "postgresql://book@[::1]/book",
        "postgresql:///book?host=/run/postgresql",
        "host=/run/postgresql dbname=book",
        "dbname=book",
        "host=127.0.0.1,/run/postgresql dbname=book",
        "host=db.example hostaddr=127.0.0.1 dbname=book",
        VERIFIED,
        f"{FAR}?sslmode=verify-full&sslrootcert=system",
        "postgresql://a,b,c/book?sslmode=verify-full&sslrootcert=system&target_session_attrs=any",
        "host=db.example hostaddr=10.0.0.1 sslmode=verify-full sslrootcert=system",
    ],
)
def test_reaches_a_database_here_or_by_verified_tls(address: str) -> None:
    refuse_open_database("DATABASE_URL", address, {"PGSSLMODE": "disable"})


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (FAR, "sslmode=verify-full"),
        *((f"{FAR}?sslmode={mode}&sslrootcert=system", "sslmode=verify-full")
          for mode in ("disable", "allow", "prefer", "require", "verify-ca")),
        (f"{FAR}?ssl=true&sslrootcert=system", "sslmode=verify-full"),
        (f"{FAR}?sslmode=verify-full", "sslrootcert"),
        (f"{VERIFIED}&sslmode=disable", "twice"),
        (f"{VERIFIED}&ssl%6Dode=verify-full", "twice"),
        (f"{FAR}?sslmode=disable&sslmode=verify-full&sslrootcert=system", "twice"),
        ("host=127.0.0.1,db.example password=hush", "verified TLS"),
        ("postgresql://book:hush@127.0.0.1,10.0.0.1/book", "verified TLS"),
        ("host=127.0.0.1 hostaddr=10.0.0.1 password=hush", "verified TLS"),
        ("host=localhost,localhost hostaddr=127.0.0.1,10.0.0.1", "verified TLS"),
        ("hostaddr=10.0.0.1 sslmode=verify-full sslrootcert=system", "whose certificate"),
        ("service=book password=hush", "service"),
        (f"{VERIFIED}&service=book", "service"),
        ("postgresql://book:hush@", ""),
        *((f"host={host} password=hush", "verified TLS")
          for host in ("127.0.0.1.evil.com", "localhost.evil", "0x7f.1", "2130706433", "127.1",
                       "::1%25", "::1%lo", ANYWHERE)),
        ("postgres//book:hush@db.example", "no address"),
    ],
)  # fmt: skip
def test_refuses_a_database_elsewhere_and_says_what_to_add(address: str, words: str) -> None:
    if not words:
        refuse_open_database("DATABASE_URL", address, {})  # control: no host is this machine
        return
    with pytest.raises(TransportRefused) as refused:
        refuse_open_database("DATABASE_URL", address, {})

    assert words in str(refused.value)
    assert "hush" not in str(refused.value)
    assert "DATABASE_URL" in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("PGHOST", "dbname=book"),
        ("PGHOSTADDR", "host=127.0.0.1 dbname=book"),
        ("PGHOSTADDR", VERIFIED),
        ("PGSERVICE", "host=127.0.0.1 dbname=book"),
    ],
)
def test_refuses_an_environment_that_leads_elsewhere(variable: str, address: str) -> None:
    refuse_open_database("DATABASE_URL", address, {})
    with pytest.raises(TransportRefused, match=variable):
        refuse_open_database("DATABASE_URL", address, {variable: "10.0.0.1"})


def test_a_mode_in_the_environment_does_not_count() -> None:
    with pytest.raises(TransportRefused, match="PGSSLMODE"):
        refuse_open_database("DATABASE_URL", FAR, {"PGSSLMODE": "verify-full"})


@pytest.mark.parametrize("host", [ANYWHERE, "", "::", "10.0.0.1", "localhost.evil", "::1%lo"])
def test_serves_other_machines_by_tls_or_behind_a_trusted_proxy_only(host: str) -> None:
    with pytest.raises(TransportRefused, match="terminated_upstream"):
        refuse_open_door(host, encrypted=False, terminated=False)
    refuse_open_door(host, encrypted=True, terminated=False)
    refuse_open_door(host, encrypted=False, terminated=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_serves_this_machine_in_the_clear(host: str) -> None:
    refuse_open_door(host, encrypted=False, terminated=False)
    assert is_loopback(host)


def test_no_connection_is_tried_to_an_unsafe_database() -> None:
    near = "host=127.0.0.1 port=1 dbname=book"
    for url, environ in ((FAR, {}), (near, {"DATABASE_URL_PROJECTOR": FAR})):
        with (
            pytest.raises(UrlUnsafe, match="verify-full"),
            open_database(url=url, environ=environ),
        ):
            pass
    with pytest.raises(psycopg.OperationalError), open_database(url=near, environ={}):
        pass  # the control: it is tried, and nobody answers


def test_a_house_does_not_open_its_doors_to_other_machines_in_the_clear() -> None:
    house = cast("House", SimpleNamespace(settings=Settings(host=ANYWHERE, port=0)))

    with pytest.raises(SettingsRefused, match="terminated_upstream"), serving(house):
        pass


def test_an_address_is_judged_as_a_whole() -> None:
    assert is_safe_address("https://vault.example:8200")
    assert not is_safe_address("https://vault.example:8200\nhttp://evil")
