"""What looks like a card number is masked; what only looks like a number is not."""

from __future__ import annotations

import json

import pytest

from adapters.card_numbers import has_card_number, masked


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b'{"number":"4242424242424242"}', b'{"number":"4000000000004242"}'),
        (b'{"number":4242424242424242}', b'{"number":4000000000004242}'),
        (b'{"n":"4242 4242 4242 4242"}', b'{"n":"4000 0000 0000 4242"}'),
        (b'{"n":"5555-5555-5555-4444"}', b'{"n":"5000-0000-0000-4444"}'),
        (b'"378282246310005"', b'"300000000000005"'),
    ],
)
def test_masks_a_card_number_and_keeps_its_last_four(raw: bytes, kept: bytes) -> None:
    assert masked(raw) == kept
    assert len(masked(raw)) == len(raw)
    json.loads(masked(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"number":"4242424242424241"}',
        b'{"created":1761210000,"id":"pi_4242424242424242"}',
        b'{"ms":1761210000123}',
        b'{"amount":100000,"digest":"42424242424242424242424242"}',
        b"{}",
    ],
)
def test_leaves_what_is_no_card_number(raw: bytes) -> None:
    assert masked(raw) == raw
    assert not has_card_number(raw)
