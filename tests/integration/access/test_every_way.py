"""No way to account data goes by the access log: not the terminal, the worker, nor a call outward.

Whatever cannot be recorded is not done, and nothing that can be configured changes that.
"""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from adapters.outgoing import Credential, Listed, Observed
from api import cli
from api.house.settings import Settings
from api.identity.scopes import Role
from api.shell import recorded
from ledger.access import EVERYONE, AccessRecorded
from ledger.errors import Busy
from tests.integration.api.street import Street

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.access.conftest import Played

OPENS_NONE = {
    "up": "it serves, and its doors record",
    "demo": "plays in a sandbox of its own, whose doors record",
    "checkpoints": "lists signed roots: files, no books",
}
"""Commands that do not read the books of a home, and why."""


def commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Name every command of the command line."""
    inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not inner:
        yield parser.prog.partition(" ")[2]
    for action in inner:
        for each in action.choices.values():
            yield from commands(each)


def records_of(street: Street, after: int) -> list[AccessRecorded]:
    events = street.house.access.events_after(after, 1_000)
    return [event.fact for event in events if isinstance(event.fact, AccessRecorded)]


@pytest.fixture
def type_(
    played: Played, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("DATABASE_URL", played.database.admin_dsn)
    monkeypatch.delenv("COUNTERFOIL_CONFIG", raising=False)

    def typed(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.main([*words, "--home", str(played.home)])
        return code, capsys.readouterr().out

    return typed


TYPED = {
    "token": ("token", "finance"),
    "trial-balance": ("trial-balance",),
    "explain": ("explain", "client:wallet:{ann}"),
    "replay": ("replay",),
    "verify": ("verify",),
    "export": ("export", "--format", "csv"),
    "events tail": ("events", "tail", "--no-follow"),
    "access": ("access", "--client", "{ann}"),
}


@pytest.mark.parametrize("name", TYPED)
def test_a_typed_command_is_recorded_before_it_shows_anything(
    played: Played, type_: Callable[..., tuple[int, str]], name: str
) -> None:
    before = played.street.house.access.head()
    code, _ = type_(*(word.format(ann=played.ann) for word in TYPED[name]))
    found = [r for r in records_of(played.street, before) if r.route == f"counterfoil {name}"]

    assert code == 0
    assert len(found) == 1
    assert found[0].subject.startswith("cli:")
    assert (found[0].outcome, found[0].did) == ("begun", (f"typed {name}",))
    names_ann = name in {"explain", "access"}
    assert found[0].clients == {
        "token": (),
    }.get(name, (played.ann,) if names_ann else (EVERYONE,))


def test_a_command_that_cannot_be_recorded_shows_nothing(
    played: Played, type_: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, out = type_("trial-balance")
    with no_room(played):
        refused, nothing = type_("trial-balance")

    assert (shown, refused) == (0, 2)
    assert "client:wallet" in out
    assert nothing == ""


@contextlib.contextmanager
def no_room(played: Played) -> Iterator[None]:
    """Let the database refuse every access record."""
    refuse = "ALTER TABLE book.access ADD CONSTRAINT none CHECK (position < 0) NOT VALID"
    with psycopg.connect(played.database.admin_dsn, autocommit=True) as connection:
        connection.execute(refuse)
        try:
            yield
        finally:
            connection.execute("ALTER TABLE book.access DROP CONSTRAINT none")


def test_every_command_says_what_it_does_or_opens_no_books() -> None:
    named = {each for each in commands(cli._parser()) if not each.startswith("bench ")}
    unlisted = named - set(recorded.OF_COMMAND) - set(OPENS_NONE)

    for each in unlisted:  # it is recorded as reading everything: that is the safe side
        record = recorded.record_of(recorded.Typed(each), "cli:x")
        assert record.clients.names == (EVERYONE,)
    assert set(recorded.OF_COMMAND) <= named


def test_who_types_is_the_users_name_or_who_the_machine_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert recorded._subject({}) == recorded._user()
    assert recorded._subject({recorded.IDENTITY: "person:ann"}) == "person:ann"
    for wrong in ("ann", "person:", "person:a b", "client:ann", "person:ann\n"):
        with pytest.raises(Exception, match="person:NAME"):
            recorded._subject({recorded.IDENTITY: wrong})


def test_a_round_that_cannot_be_recorded_is_not_begun(played: Played) -> None:
    street = played.street
    announced = street.announce(played.ann, "3.00", "EUR")
    street.stripe.pay(announced["reference"])
    street.stripe.deliver()
    before = street.house.book.head()
    with no_room(played), pytest.raises(psycopg.Error):
        street.house.worker.round()

    assert street.house.book.head() == before, "nothing was done"
    assert street.house.worker.round() > 0, "and it is done once it can be recorded"
    assert street.house.book.head() > before


def test_an_answer_from_outside_that_cannot_be_recorded_is_not_used(played: Played) -> None:
    street = played.street
    (stripe,) = street.house.desk.providers.values()
    reference = street.announce(played.ann, "4.00", "EUR")["reference"]
    granted = stripe.retrieve_payment(reference)
    with no_room(played), pytest.raises(psycopg.Error):
        stripe.retrieve_payment(reference)

    assert granted is not None


def test_a_call_that_reaches_nobody_is_recorded_too(played: Played) -> None:
    heard = Listed()
    with Observed(Credential("stripe", "eu", "api key"), heard, trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            client.get("http://127.0.0.1:1/v1/refunds?name=canary")
        with (
            pytest.raises(Busy),
            Observed(Credential("stripe", "eu", "api key"), _Full(), trust_env=False) as full,
        ):
            full.get(f"{played.street.http.base_url}/healthz")
    (exchange,) = heard.exchanges
    assert (exchange.status, exchange.failure) == (0, "ConnectError")
    assert exchange.operation == "GET /v1/refunds"
    assert "canary" not in str(exchange)


class _Full:
    def heard(self, exchange: Any) -> None:
        raise Busy("the book is busy", retry_after_s=1)


def test_a_page_that_cannot_be_recorded_is_withheld(played: Played) -> None:
    path = f"/v1/clients/{played.ann}/wallets"
    served = played.street.look(Role.FINANCE, path)
    with no_room(played):
        withheld = played.street.look(Role.FINANCE, path)

    assert served.status_code == 200
    assert (withheld.status_code, withheld.json()["code"]) == (503, "access_log_unavailable")
    assert played.ann not in withheld.text


def test_no_setting_names_the_access_log() -> None:
    """Nothing that a house is told can reach its recorder: there is no word for it."""
    told = str(Settings.model_json_schema())

    for word in ("access_log", "access-log", "recorded", "recording", "audit"):
        assert word not in told, word


def test_control_a_setting_that_could_would_be_seen() -> None:
    class Lax(Settings):
        access_log: bool = True

    assert "access_log" in str(Lax.model_json_schema())


def test_only_the_keeper_of_the_access_log_adds_to_it(played: Played) -> None:
    insert = """
    INSERT INTO book.access (position, stream, version, name, state, recorded_at, digest)
    VALUES (1000000, gen_random_uuid(), 1, 'access.recorded', '{}', now(), sha256('x'))
    """
    for role in ("book_writer", "projector", "finance_reader", "audit_reader", "retention"):
        with (
            psycopg.connect(played.database.dsn(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(insert)
    with psycopg.connect(played.database.dsn("access_writer")) as connection:
        assert connection.execute(insert).rowcount == 1
        connection.rollback()
