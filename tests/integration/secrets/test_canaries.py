"""Canaries in every secret and every input: nothing that is written or shown holds one of them."""

from __future__ import annotations

import faulthandler
import gc
import logging
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.secrets.keeper import Keeper
from adapters.secrets.memory import Memory
from adapters.secrets.port import Reference, Secret, SecretsUnavailable
from api.house.logs import JsonLines
from api.identity.scopes import MATRIX, Door, Role
from tests.integration.api.street import NOBODY, SECRET
from tests.integration.secrets.conftest import API_KEY
from tests.integration.store.proxy import LossyProxy

if TYPE_CHECKING:
    from adapters.database.roles import Database
    from tests.integration.api.street import Street
    from tests.integration.secrets.conftest import OpenVaulted, Vaulted

OURS = ("adapters.", "api.", "ledger.", "payments.", "projections.", "clients.", "compliance.")
INPUTS = {
    "jwt": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjYW5hcnktand0In0.Y2FuYXJ5",
    "iban": "DE89370400440532013000",
    "mail": "canary.person@example.org",
    "webhook": "whsec_canaryinput4711",
    "key": "sk_live_canaryinput4711",
    "line": 'x\n{"level":"info","message":"canary-forged"}',
}
FIELDS = (
    *("client", "amount", "currency", "name_ref", "residence", "category", "account_currency"),
    *("decision", "evidence_ref", "valid_until", "provider", "merchant_account", "method"),
    *("route", "base", "quote", "bid", "ask", "into", "reason", "note", "password"),
)


class Written:
    """Everything that is written or shown, by where it is."""

    def __init__(self) -> None:
        self.by_place: dict[str, list[str]] = {}

    def add(self, place: str, text: object) -> None:
        self.by_place.setdefault(place, []).append(str(text))

    def found(self, canaries: dict[str, str]) -> list[tuple[str, str]]:
        return [
            (place, name)
            for place, texts in self.by_place.items()
            for name, canary in canaries.items()
            if any(canary in text for text in texts)
        ]


class Lines(logging.Handler):
    """Every log line at every level, as our own formatter writes it and as Python's does."""

    def __init__(self, written: Written) -> None:
        super().__init__(logging.DEBUG)
        self._written, self._ours, self._plain = written, JsonLines(), logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.threadName == "MainThread" and record.name.startswith("http"):
            return  # what the test's own client says of its calls is not ours
        self._written.add("log lines", self._ours.format(record))
        self._written.add("log messages", record.getMessage())


@pytest.fixture
def written() -> Iterator[Written]:
    found = Written()
    handler, root = Lines(found), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    # What earlier tests left behind is not looked at.
    gc.collect()
    gc.freeze()
    yield found
    gc.unfreeze()
    root.removeHandler(handler)
    root.setLevel(level)


def secrets_of(vaulted: Vaulted) -> dict[str, str]:
    """Every secret of the street by a name."""
    found = {"api key": API_KEY, "webhook secret": SECRET}
    for reference in vaulted.passwords:
        found[str(reference)] = vaulted.rotator.read(reference).reveal()
    home: Path = vaulted.street.house.settings.home
    for proof in ("house", "rotator"):
        found[proof] = (home / proof).read_text("utf-8")
    for dsn in (street_database(vaulted).admin_dsn, *street_database(vaulted).role_dsns.values()):
        said = conninfo_to_dict(dsn)
        found[f"password of {said['user']}"] = str(said["password"])
    master = (home / "master.key").read_bytes()
    found |= {"sealing key": master.hex(), "sealing key, raw": repr(master)[2:-1]}
    return found


def street_database(vaulted: Vaulted) -> Database:
    return vaulted.street.house.database


def plant(street: Street, written: Written) -> None:
    """Put every input into every part of every call, as everybody."""
    for row in MATRIX:
        path = row.path.replace("{client}", NOBODY)
        for word in INPUTS.values():
            at = path
            while "{" in at:
                at = at[: at.index("{")] + NOBODY + at[at.index("}") + 1 :]
            body = dict.fromkeys(FIELDS, word) if row.method == "POST" else None
            headers = street.headers(Role.FINANCE) if row.door is Door.BEARER else {}
            with suppress(ValueError):
                headers |= {"Idempotency-Key": word, "X-Request-Id": word, "User-Agent": word}
            answer = street.http.request(
                row.method,
                at,
                params={"q": word, "after": word},
                json=body,
                headers={name: each.replace("\n", " ") for name, each in headers.items()},
            )
            written.add("answers", answer.text + str(answer.headers))
    for word in INPUTS.values():
        forged = {"Authorization": f"Bearer {word}".replace("\n", " ")}
        written.add("answers", street.http.get("/v1/trial-balance", headers=forged).text)
        hook = street.http.post("/webhooks/stripe/stripe-eu", content=word)
        written.add("answers", hook.text)


def stored(street: Street, written: Written) -> None:
    """Read both logs and all read models as text."""
    with psycopg.connect(street.house.database.admin_dsn) as connection:
        tables = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace IN "
            "('book'::regnamespace, 'read'::regnamespace) AND relname NOT LIKE 'inbox%'"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for row in rows:
                for value in row:
                    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
                    written.add(f"table {table}", text)


def shown(written: Written) -> None:
    """Show every object of ours that lives."""
    for thing in gc.get_objects():
        if str(type(thing).__module__).startswith(OURS):
            with suppress(Exception):
                written.add("objects", repr(thing))
                written.add("objects", f"{thing}")


def crash(act: Any, written: Written) -> None:
    """Let it fail, and dump it with every local variable of every frame."""
    with pytest.raises(SecretsUnavailable) as told:
        act()
    dumped = traceback.TracebackException.from_exception(told.value, capture_locals=True)
    written.add("crash dump", "".join(dumped.format()))


def test_no_secret_and_no_input_is_written_or_shown_anywhere(
    open_vaulted: OpenVaulted,
    written: Written,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    vaulted = open_vaulted()
    street, corner = vaulted.street, vaulted.corner
    client = street.register("EUR")
    street.pay_in(client, "10.00", "EUR")
    plant(street, written)
    metrics = street.http.get("/metrics", headers=street.headers(Role.OPERATOR))
    written.add("metrics", metrics.text)
    with LossyProxy(corner.server.port) as way:
        identity = corner.identity(*vaulted.references)
        vault = corner.opened(identity, address=f"http://127.0.0.1:{way.port}")
        key = vaulted.api_key
        vault.read(key)
        way.refuse_connections()
        crash(partial(vault.read, key), written)
        crash(partial(vault.write, key, Secret(API_KEY), expected=0), written)
    stored(street, written)
    shown(written)
    dump = tmp_path / "faults"
    with dump.open("w") as file:
        faulthandler.dump_traceback(file, all_threads=True)
    written.add("fault dump", dump.read_text("utf-8"))
    told = capfd.readouterr()
    written.add("terminal", told.out + told.err)
    canaries = {
        **secrets_of(vaulted),
        "proof": identity.secret_id.reveal(),
        "token": street.token(Role.FINANCE),
        **INPUTS,
        "forged": '\n{"level"',
    }

    assert not written.found(canaries), _places(written, canaries)
    assert len(written.by_place) >= 9, sorted(written.by_place)
    assert sum(map(len, written.by_place.values())) > 1_000


def _places(written: Written, canaries: dict[str, str]) -> list[str]:
    """The first text of each place that holds one, for whoever has to mend it."""
    return [
        f"{place}: {next(text for text in written.by_place[place] if canaries[name] in text)[:500]}"
        for place, name in written.found(canaries)
    ]


def test_control_with_redaction_off_the_same_search_finds_it(written: Written) -> None:
    class Plain(Secret):
        def __repr__(self) -> str:
            return self.reveal()

    reference = Reference.parse("vault:kv/psp/stripe#api_key")
    keeper = Keeper({"vault": Memory()})
    shown(written)
    before = written.found({"api key": "sk_live_control"})
    keeper._kept[reference] = Plain("sk_live_control")  # type: ignore[assignment]
    logging.getLogger("counterfoil.secrets").warning("read %r", Plain("sk_live_control"))
    local = Plain("sk_live_control")
    try:
        raise SecretsUnavailable(f"{reference} is away")
    except SecretsUnavailable as error:
        dumped = traceback.TracebackException.from_exception(error, capture_locals=True)
        written.add("crash dump", "".join(dumped.format()))

    found = {place for place, _ in written.found({"api key": "sk_live_control"})}
    assert not before
    assert {"log lines", "crash dump"} <= found
    assert local == Secret("sk_live_control")
