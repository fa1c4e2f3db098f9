"""Many proofs from one walk are those that one proof at a time would be."""

from __future__ import annotations

import hashlib

import pytest

from api.shell.inclusion import proofs
from ledger.store.merkle import Frontier, verify_inclusion

LEAVES = [hashlib.sha256(bytes([number])).digest() for number in range(40)]


def root(size: int) -> bytes:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.add(leaf)
    return frontier.root()


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_of_every_tree_is_proven(size: int) -> None:
    found = proofs(range(size), size, iter(LEAVES))

    for index, proof in found.items():
        assert verify_inclusion(LEAVES[index], index, size, proof, root(size))
        assert not verify_inclusion(LEAVES[index + 1], index, size, proof, root(size))


def test_some_leaves_are_proven_like_all_of_them() -> None:
    every = proofs(range(21), 21, LEAVES)

    assert proofs([3, 16, 20], 21, LEAVES) == {index: every[index] for index in (3, 16, 20)}
    assert proofs([], 21, LEAVES) == {}


def test_a_log_that_is_shorter_than_its_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="before 33"):
        proofs([1], 33, LEAVES[:32])
