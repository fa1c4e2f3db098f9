from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from api.house.settings import TOKEN_LIFETIME_S_MAX, TokenSettings
from tests.unit.api.small_house import NOW, House, open_house
from tests.unit.api.test_tokens import GONE, craft, show

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = "7b1e0c52-5f8e-4c66-b1f7-7a52a52d5f30"


def subject(house: House, **claims: Any) -> str | None:
    """Who the house believes asks; None where it believes nobody."""
    house.records.clear()
    answer = show(house, craft(house, claims=claims))
    assert answer.status in {200, 401}
    return house.records[-1].subject if answer.status == 200 else None


def test_a_service_is_known_by_the_id_that_its_issuer_gave_it(house: House) -> None:
    assert subject(house, sub=MACHINE, client_id=MACHINE) == f"service:{MACHINE}"
    assert subject(house, sub=MACHINE, azp=MACHINE) == f"service:{MACHINE}"
    assert subject(house, sub="service:bot", client_id=MACHINE) == "service:bot"
    assert subject(house, sub="person:ann", client_id="dashboard") == "person:ann"


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": MACHINE},
        {"sub": MACHINE, "client_id": "dashboard"},
        {"sub": MACHINE, "azp": "dashboard"},
        {"sub": MACHINE, "client_id": MACHINE, "azp": "dashboard"},
        {"sub": "service:bot", "client_id": "a", "azp": "b"},
        {"sub": "person:ann", "client_id": "person:ann"},
        {"sub": "root:ann"},
        {"sub": "person:"},
        {"sub": MACHINE, "client_id": [MACHINE]},
    ],
)
def test_nobody_else_is_named_without_saying_what_they_are(
    house: House, claims: dict[str, Any]
) -> None:
    assert subject(house, **claims) is None


@pytest.mark.parametrize(
    "sub",
    [
        *(
            "person:Ann",
            "person:ANN",
            "Person:ann",
            "person:ann ",
            " person:ann",
            "person:ann\n",
            "person: ann",
        ),
        *(
            "person:\u0430nn",
            "person:ann\u200b",
            "person:a\u0301nn",
            "\uff50erson:ann",
            "person\uff1aann",
        ),
        *("person:ann/2", "person:.ann", "person::ann", "person:ann@broker.example"),
    ],
)
def test_a_person_in_another_spelling_is_nobody(house: House, sub: str) -> None:
    assert subject(house, sub=sub) is None


@pytest.mark.parametrize("claim", ["nonce", "at_hash", "c_hash", "s_hash", "auth_time"])
def test_an_id_token_opens_nothing(house: House, claim: str) -> None:
    answer = show(house, craft(house, claims={claim: "x"}))

    assert (answer.status, answer.code) == (401, "token_invalid")
    assert show(house, craft(house, claims={"other": "x"})).status == 200


def test_where_the_issuer_types_its_tokens_no_other_type_is_taken(tmp_path: Path) -> None:
    house = open_house(tmp_path / "home", typed=True)

    assert show(house, craft(house, header={"typ": "at+jwt"})).status == 200
    assert show(house, craft(house, header={"typ": "application/at+jwt"})).status == 200
    for other in ("JWT", "id+jwt", "AT+JWT", GONE):
        assert show(house, craft(house, header={"typ": other})).status == 401


def test_a_house_may_ask_for_shorter_lives_and_never_allow_longer(tmp_path: Path) -> None:
    house = open_house(tmp_path / "home", lifetime_s_max=300)

    assert show(house, craft(house, claims={"exp": NOW + 300})).status == 200
    assert show(house, craft(house, claims={"exp": NOW + 301})).status == 401
    TokenSettings(lifetime_s_max=TOKEN_LIFETIME_S_MAX)
    with pytest.raises(ValidationError):
        TokenSettings(lifetime_s_max=TOKEN_LIFETIME_S_MAX + 1)
