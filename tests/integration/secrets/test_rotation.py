"""Everything is rotated under load over real HTTP, and nobody notices."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import psycopg_pool
import pytest

from adapters.secrets.port import Secret
from api.house import rotation
from api.house.front import _pool
from api.house.secret_sources import keeper_of
from api.identity.scopes import Role
from tests.integration.api.street import MERCHANT, SECRET, Street, deposit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.secrets.conftest import OpenVaulted

ROUNDS = 3
BETWEEN_S = 0.4


class Load:
    """Clients who read and pay in until the context ends; every answer is counted."""

    def __init__(self, street: Street) -> None:
        self.answers: Counter[int] = Counter()
        self.client = street.register("EUR")
        wallets = f"/v1/clients/{self.client}/wallets"
        street.see(Role.FINANCE, wallets, after=street.house.book.head())
        self._street, self._stop = street, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(3)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        street, turn = self._street, 0
        while not self._stop.is_set():
            turn += 1
            asked = street.look(
                Role.CLIENT, f"/v1/clients/{self.client}/wallets", whose=self.client
            )
            self.answers[asked.status_code] += 1
            if number == 0:
                made = street.ask(
                    Role.CLIENT,
                    "/v1/deposits",
                    deposit(self.client),
                    whose=self.client,
                    key=f"load-{turn}",
                )
                self.answers[made.status_code] += 1
            time.sleep(0.005)


def drain(street: Street) -> None:
    """Have every reading connection replaced: the new ones need the password of now."""
    for pool in (street.front.reads._models, street.front.reads._log):
        pool.drain()


def test_passwords_keys_and_secrets_are_rotated_under_load_and_no_request_fails(
    open_vaulted: OpenVaulted,
) -> None:
    vaulted = open_vaulted()
    street, rotator = vaulted.street, vaulted.rotator
    hook_url = f"{street.http.base_url}/webhooks/stripe/{MERCHANT}"
    logins = street.house.database
    paid = [street.announce(street.register("EUR"), "10.00", "EUR") for _ in range(ROUNDS)]
    with Load(street) as load:
        for number, payment in enumerate(paid):
            old = logins.dsn("finance_reader")
            for password in vaulted.passwords:
                rotator.renew(password)
            drain(street)
            key = rotator.read(vaulted.api_key)
            rotator.write(vaulted.api_key, Secret(f"sk_test_{number}"), expected=key.version or 0)
            held = rotation.named(street.house.settings, f"webhook-secret/{MERCHANT}")
            keeper = keeper_of(street.house.settings, {}, rotating=True)
            rotation.rotate(held, keeper, Secret(f"whsec_{number}"))
            time.sleep(BETWEEN_S)
            street.stripe.roll_webhook_secret(hook_url, f"whsec_{number}")
            street.stripe.pay(payment["reference"])
            street.calm()
            rotation.retire(held, keeper)
            keeper.close()
            time.sleep(BETWEEN_S)
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(old)

    assert set(load.answers) <= {200, 201}, load.answers
    assert sum(load.answers.values()) > 50
    assert not street.front.unverified.samples
    for payment in paid:
        assert street.wallet(payment["client"], "EUR", Role.FINANCE)["available"] == "10.00"


def test_control_a_pool_with_a_fixed_password_does_not_live_through_it(
    open_vaulted: OpenVaulted,
) -> None:
    vaulted = open_vaulted()
    logins = vaulted.street.house.database
    fixed, living = logins.dsn("finance_reader"), lambda: logins.dsn("finance_reader")
    assert _lends(lambda: fixed)
    for password in vaulted.passwords:
        vaulted.rotator.renew(password)

    assert not _lends(lambda: fixed)
    assert _lends(living)


def _lends(dsn: Callable[[], str]) -> bool:
    with _pool(dsn, "control") as pool:
        try:
            with pool.connection(2) as connection:
                connection.execute("SELECT")
        except psycopg_pool.PoolTimeout:
            return False
        return True


def test_the_book_and_the_projections_reconnect_with_the_password_of_now(
    open_vaulted: OpenVaulted,
) -> None:
    vaulted = open_vaulted()
    street = vaulted.street
    street.register("EUR")
    for password in vaulted.passwords:
        vaulted.rotator.renew(password)
    with psycopg.connect(street.house.database.admin_dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE %s",
            (f"{vaulted.corner.name}_%",),
        )
    client = _eventually(lambda: street.register("EUR"))
    street.pay_in(client, "20.00", "EUR")

    assert street.wallet(client, "EUR")["available"] == "20.00"


def test_a_webhook_signed_with_a_retired_secret_is_refused(open_vaulted: OpenVaulted) -> None:
    vaulted = open_vaulted()
    street = vaulted.street
    payment = street.announce(street.register("EUR"), "10.00", "EUR")
    before = vaulted.rotator.read(vaulted.hook)
    vaulted.rotator.write(vaulted.hook, Secret(f"whsec_new,{SECRET}"), expected=1)
    time.sleep(BETWEEN_S)
    street.stripe.pay(payment["reference"])
    with_two = street.stripe.deliver()
    vaulted.rotator.write(vaulted.hook, Secret("whsec_new"), expected=2)
    time.sleep(BETWEEN_S)
    other = street.announce(street.register("EUR"), "10.00", "EUR")
    street.stripe.pay(other["reference"])
    after = street.stripe.deliver()

    assert before.reveal() == SECRET
    assert (with_two.refused, after.accepted) == (0, 0)
    assert after.refused > 0


def _eventually(act: Callable[[], str]) -> str:
    deadline = time.monotonic() + 20
    while True:
        try:
            return act()
        except AssertionError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
