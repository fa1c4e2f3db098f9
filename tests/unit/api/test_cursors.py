from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.door.cursors import POSITION_MAX, Cursors
from api.door.problems import ApiProblem

CURSORS = Cursors(b"k" * 32)


@given(st.integers(0, POSITION_MAX), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_cursor_leads_back_to_its_position(position: int, listing: str) -> None:
    assert CURSORS.open(CURSORS.seal(position, listing), listing) == position


def test_a_cursor_of_another_listing_or_another_key_is_refused() -> None:
    cursor = CURSORS.seal(7, "disputes")

    for cursors, listing in ((CURSORS, "deposits"), (Cursors(b"K" * 32), "disputes")):
        with pytest.raises(ApiProblem) as raised:
            cursors.open(cursor, listing)
        assert (raised.value.status_code, raised.value.code) == (400, "bad_cursor")


@given(st.text() | st.text("ABCDabcd0123-_+/=", min_size=32, max_size=32))
def test_refuses_every_other_text(text: str) -> None:
    with pytest.raises(ApiProblem):
        CURSORS.open(text, "disputes")


def test_one_position_has_one_text() -> None:
    cursor = CURSORS.seal(2**62 + 62**5, "disputes")

    for other in (cursor + "=", cursor + "\n", cursor[:-1], cursor.swapcase(), " " + cursor[1:]):
        with pytest.raises(ApiProblem):
            CURSORS.open(other, "disputes")


def test_refuses_a_key_that_can_be_guessed() -> None:
    with pytest.raises(AssertionError):
        Cursors(b"short")
