"""Every attack on the log is found by both verifiers, which name the same row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.integration.tamper.scene import EVERY, Scene, chained

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.store.chain import Row

    Attack = Callable[[list[Row]], list[Row]]

AT = 9
"""The row that is attacked."""


def put(position: int, **fields: object) -> Attack:
    """Change columns of a row."""

    def change(rows: list[Row]) -> list[Row]:
        rows[position - 1] = rows[position - 1]._replace(**fields)  # type: ignore[arg-type]
        return rows

    return change


def rewrite(pattern: bytes, words: bytes) -> Attack:
    """Change the words of the first fact behind the opening that has such words."""

    def change(rows: list[Row]) -> list[Row]:
        for index, row in enumerate(rows[AT - 1 :], AT - 1):
            if re.search(pattern, row.state):
                forged = re.sub(pattern, words, row.state, count=1)
                assert forged != row.state
                rows[index] = row._replace(state=forged)
                return rows
        raise AssertionError(f"no fact says {pattern!r}")

    return change


def flipped(rows: list[Row]) -> list[Row]:
    state = bytearray(rows[AT - 1].state)
    state[len(state) // 2] ^= 1
    return put(AT, state=bytes(state))(rows)


def removed(rows: list[Row]) -> list[Row]:
    return rows[: AT - 1] + rows[AT:]


def removed_and_closed_up(rows: list[Row]) -> list[Row]:
    moved = [row._replace(position=row.position - 1) for row in rows[AT:]]
    return rows[: AT - 1] + moved


def inserted(rows: list[Row]) -> list[Row]:
    forged = rows[AT - 1]._replace(stream=UUID(int=7), version=1, key=None)
    moved = [row._replace(position=row.position + 1) for row in rows[AT - 1 :]]
    return [*rows[: AT - 1], forged, *moved]


def inserted_with_a_digest(rows: list[Row]) -> list[Row]:
    return [*chained(inserted(rows)[:AT]), *inserted(rows)[AT:]]


def before_the_first(rows: list[Row]) -> list[Row]:
    forged = rows[AT - 1]._replace(position=-3, stream=UUID(int=7), version=1, key=None)
    return [forged, *rows]


def reordered(rows: list[Row]) -> list[Row]:
    one, two = rows[AT - 1], rows[AT]
    swapped = [two._replace(position=AT), one._replace(position=AT + 1)]
    return [*rows[: AT - 1], *swapped, *rows[AT + 1 :]]


def swapped_states(rows: list[Row]) -> list[Row]:
    one = rows[AT - 1]
    other = next(row for row in rows[AT:] if row.name == one.name)
    rows[AT - 1] = one._replace(state=other.state)
    rows[other.position - 1] = other._replace(state=one.state)
    return rows


ATTACKS: dict[str, tuple[Attack, int | None]] = {
    "a changed byte": (flipped, AT),
    "a removed row": (removed, AT),
    "a removed row, the gap closed": (removed_and_closed_up, AT),
    "an inserted row": (inserted, AT),
    "an inserted row with its own digest": (inserted_with_a_digest, AT + 1),
    "two rows reordered": (reordered, AT),
    "states swapped between rows": (swapped_states, AT),
    "the actor alone": (rewrite(rb'"by":"tests"', b'"by":"toast"'), None),
    "the effective time alone": (rewrite(rb'"at":"2026-03-02', b'"at":"2026-03-01'), None),
    "the cause alone": (rewrite(rb'"why":1,', b'"why":2,'), None),
    "another name": (put(AT, name="ledger.entry-posted"), AT),
    "another stream": (put(AT, stream=UUID(int=7), version=1), AT),
    "another version": (put(AT, version=77), AT),
    "another time of ours": (put(AT, recorded_us=10**15), AT),
    "another digest": (put(AT, digest=bytes(32)), AT),
    "a row before the first": (before_the_first, 1),
    "the first row gone": (lambda rows: rows[1:], 1),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_found_and_its_row_named(scene: Scene, attack: str) -> None:
    change, position = ATTACKS[attack]
    if position is None:
        before, after = scene.rows, change(list(scene.rows))
        position = next(one.position for one, two in zip(before, after, strict=True) if one != two)
    scene.checkpoint()
    scene.attack(change)

    ours, theirs = scene.counterfoil(), scene.stranger()

    assert (ours.held, ours.position) == (False, position), ours
    assert (theirs.held, theirs.position) == (False, position), theirs


@pytest.mark.parametrize("attack", ["a changed byte", "two rows reordered"])
def test_the_chain_needs_no_checkpoint_to_find_them(scene: Scene, attack: str) -> None:
    change, position = ATTACKS[attack]
    scene.attack(change)

    assert scene.counterfoil().position == position
    assert scene.stranger(checkpoints=False).position == position


def test_a_log_that_nobody_touched_raises_no_alarm(scene: Scene) -> None:
    scene.checkpoint()

    assert scene.sizes() == [*range(EVERY, len(scene.rows), EVERY), len(scene.rows)]
    assert scene.counterfoil().held
    assert scene.stranger().held
    assert f"{len(scene.rows)} rows" in scene.stranger().words


# --- what leaves the chain whole


def unbalanced(rows: list[Row]) -> list[Row]:
    return chained(rewrite(rb"-5000\b", b"-4000")(rows))


def a_balanced_lie(rows: list[Row]) -> list[Row]:
    return chained(rewrite(rb"5000\b(.*)-5000\b", rb"4000\1-4000")(rows))


def cut(rows: list[Row]) -> list[Row]:
    return rows[:-3]


def test_a_forged_entry_that_does_not_balance_is_found_under_a_chain_made_anew(
    scene: Scene,
) -> None:
    forged = unbalanced(list(scene.rows))
    position = next(r.position for r, f in zip(scene.rows, forged, strict=True) if r != f)
    scene.attack(unbalanced)

    ours, theirs = scene.counterfoil(), scene.stranger(checkpoints=False)

    assert (ours.position, theirs.position) == (position, position)
    assert "balance" in ours.words
    assert "balance" in theirs.words


def test_a_chain_made_anew_is_found_by_the_checkpoints_to_within_one(scene: Scene) -> None:
    forged = a_balanced_lie(list(scene.rows))
    position = next(r.position for r, f in zip(scene.rows, forged, strict=True) if r != f)
    scene.checkpoint()
    scene.attack(a_balanced_lie)

    ours, theirs = scene.counterfoil(), scene.stranger()

    assert ours.position == theirs.position == (position - 1) // EVERY * EVERY + 1
    until = ours.position + EVERY - 1
    assert ours.words.startswith(f"rows {ours.position} to {until} ")
    assert theirs.words.startswith(f"rows {ours.position} to {until} ")


@pytest.mark.parametrize("left", [0, 1, -3])
def test_a_cut_tail_is_found_by_the_checkpoints(scene: Scene, left: int) -> None:
    scene.checkpoint()
    head = len(scene.rows[:left])
    scene.attack(lambda rows: rows[:left])

    ours, theirs = scene.counterfoil(), scene.stranger()

    assert ours.position == theirs.position == head + 1
    assert "cut" in ours.words
    assert "cut" in theirs.words


@pytest.mark.parametrize("attack", [a_balanced_lie, cut])
def test_control_without_checkpoints_neither_is_found(scene: Scene, attack: Attack) -> None:
    scene.attack(attack)

    assert scene.counterfoil().held
    assert scene.stranger(checkpoints=False).held


def test_a_request_key_that_is_not_the_facts_is_found(scene: Scene) -> None:
    keyed = next(row.position for row in scene.rows if row.key is not None and row.position > 1)
    scene.attack(put(keyed, key=bytes(16)))

    assert scene.counterfoil().position == keyed
