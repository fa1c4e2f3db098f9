from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from api.door.turnstile import Buckets, Rate, RateSettings, holder_of
from api.house.settings import Settings
from api.identity.scopes import Role
from tests.unit.api.small_house import ALICE, BOB, NOW, House, open_house

if TYPE_CHECKING:
    from pathlib import Path

READ = "/v1/disputes"
SLOW = Rate(per_s=2, burst=3)


def narrow(home: Path, **rates: Any) -> House:
    return open_house(home, rates=RateSettings(**rates))


def statuses(house: House, count: int, path: str = READ, **how: Any) -> list[int]:
    return [house.ask("GET", path, **how).status for _ in range(count)]


def test_a_bucket_gives_its_burst_and_then_as_many_a_second_as_it_says() -> None:
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    given = []
    for tenth in range(41):
        now[0] = tenth / 10
        given.append(buckets.take("a", SLOW) == 0.0)

    assert given[:3] == [True] * 3
    assert not given[3]
    # Three at once, and two a second for four seconds.
    assert sum(given) == 3 + 2 * 4


def test_a_bucket_says_when_to_come_back_and_keeps_its_word() -> None:
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    while (wait := buckets.take("a", SLOW)) == 0.0:
        pass
    now[0] += wait

    assert buckets.take("a", SLOW) == 0.0
    assert buckets.take("a", SLOW) > 0.0


def test_asking_again_and_again_does_not_put_off_the_day() -> None:
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    waits = [buckets.take("a", SLOW) for _ in range(1_000)]

    assert waits[3:] == [0.5] * 997


def test_holders_have_buckets_of_their_own_and_only_so_many_are_remembered() -> None:
    buckets = Buckets(lambda: 0.0, holders_max=100)
    for number in range(1_000):
        for _ in range(3):
            assert buckets.take(f"address {number}", SLOW) == 0.0

    assert len(buckets) == 100


def test_an_identity_is_limited_and_told_when_to_come_back(tmp_path: Path) -> None:
    house = narrow(tmp_path, service=SLOW)

    assert statuses(house, 3) == [200] * 3
    answer = house.ask("GET", READ)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (429, "rate_limited", "1")
    assert answer.json["retry"] is True
    assert house.ask("GET", READ, token=house.token(subject="person:dana")).status == 200
    house.clock[0] = NOW + 1
    assert house.ask("GET", READ).status == 200


def test_each_client_has_its_own_limit_though_one_dashboard_asks_for_all(tmp_path: Path) -> None:
    house = narrow(tmp_path, client=SLOW)
    alice, bob = (house.token(Role.CLIENT, client=client) for client in (ALICE, BOB))
    path = "/v1/statements"

    assert statuses(house, 4, path, token=alice) == [200, 200, 200, 429]
    assert statuses(house, 1, path, token=bob) == [200]


def test_a_role_may_have_a_limit_of_its_own(tmp_path: Path) -> None:
    house = narrow(tmp_path, roles={"audit": SLOW})

    assert statuses(house, 4, token=house.token(Role.AUDIT)) == [200, 200, 200, 429]
    assert statuses(house, 9) == [200] * 9


def test_a_second_token_is_no_second_bucket(tmp_path: Path) -> None:
    house = narrow(tmp_path, service=SLOW)

    assert [statuses(house, 1, token=house.token())[0] for _ in range(4)] == [200, 200, 200, 429]


def test_strangers_are_limited_by_address_and_nobody_else_pays(tmp_path: Path) -> None:
    house = narrow(tmp_path, stranger=SLOW)

    assert statuses(house, 4, token=None) == [401, 401, 401, 429]
    assert statuses(house, 1, token="a.b.c") == [429]
    assert statuses(house, 1, "/nowhere", token=None) == [429]
    assert statuses(house, 3) == [200] * 3


def test_an_open_door_is_limited_by_address_apart_from_strangers(tmp_path: Path) -> None:
    house = narrow(tmp_path, stranger=SLOW, probe=SLOW)
    statuses(house, 9, token=None)

    assert statuses(house, 4, "/healthz", token=None) == [200, 200, 200, 429]


def test_a_storm_of_a_providers_retries_is_answered(tmp_path: Path) -> None:
    house = narrow(tmp_path, stranger=SLOW, service=SLOW, probe=SLOW)
    path = "/webhooks/stripe/eu-1"

    assert {house.ask("POST", path, token=None, body=b"signed").status for _ in range(99)} == {200}
    assert {house.ask("POST", path, token=None, body=b"forged").status for _ in range(99)} == {200}


def test_what_was_too_much_is_one_record_that_names_who_and_how_often(tmp_path: Path) -> None:
    house = narrow(tmp_path, service=SLOW)
    statuses(house, 3 + 40, token=house.token(subject="service:greedy"))
    house.close()

    (record,) = [record for record in house.records if record.status == 429]
    assert (record.count, record.reason) == (40, "too many calls of service:greedy")
    assert len([record for record in house.records if record.status == 200]) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8::ffff:2"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_of_one_household_are_one_holder(one: str, other: str) -> None:
    assert holder_of(one) == holder_of(other)
    assert holder_of("192.0.2.1") != holder_of("192.0.2.2")
    assert holder_of("2001:db8::1") != holder_of("2001:db8:0:1::1")


def test_limits_are_settings_and_none_can_be_nothing() -> None:
    said = Settings.model_validate({"calls": {"client": {"per_s": 5, "burst": 50}}})

    assert said.calls.client.burst == 50
    with pytest.raises(ValidationError):
        RateSettings.model_validate({"roles": {"root": {"per_s": 1, "burst": 1}}})
    for wrong in ({"per_s": 0, "burst": 1}, {"per_s": 1, "burst": 0}, {"per_s": 1}):
        with pytest.raises(ValidationError):
            Settings.model_validate({"calls": {"client": wrong}})
