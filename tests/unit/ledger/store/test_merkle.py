from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from ledger.store.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_ranges,
    inclusion_ranges,
    roots,
    verify_consistency,
    verify_inclusion,
)

SIZES = st.integers(1, 130)


def leaves(size: int) -> list[bytes]:
    return [hashlib.sha256(b"digest %d" % n).digest() for n in range(size)]


def root(data: list[bytes]) -> bytes:
    frontier = Frontier()
    for leaf in data:
        frontier.add(leaf)
    assert frontier.size == len(data)
    return frontier.root()


# --- the definitions of RFC 9162 §2.1, written out


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def split(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def mth(data: list[bytes]) -> bytes:
    if not data:
        return sha(b"")
    if len(data) == 1:
        return sha(b"\0", data[0])
    k = split(len(data))
    return sha(b"\1", mth(data[:k]), mth(data[k:]))


def path(m: int, data: list[bytes]) -> list[bytes]:
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


@given(SIZES)
def test_the_frontier_says_the_root_of_the_definition(size: int) -> None:
    assert root(leaves(size)) == mth(leaves(size))


def test_an_empty_tree_has_the_root_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == mth([])


@given(st.data(), SIZES)
def test_an_inclusion_proof_is_the_path_of_the_definition(data: st.DataObject, size: int) -> None:
    log = leaves(size)
    index = data.draw(st.integers(0, size - 1))

    proof = roots(inclusion_ranges(index, size), log)

    assert proof == path(index, log)
    assert verify_inclusion(log[index], index, size, proof, mth(log))


@given(st.data(), SIZES)
def test_a_consistency_proof_is_the_one_of_the_definition(data: st.DataObject, size: int) -> None:
    log = leaves(size)
    earlier = data.draw(st.integers(1, size))

    proof = roots(consistency_ranges(earlier, size), log)

    assert proof == subproof(earlier, log, True)
    assert verify_consistency(earlier, size, proof, mth(log[:earlier]), mth(log))


@given(st.data(), st.integers(2, 130))
def test_a_proof_of_another_leaf_place_size_or_root_is_refused(
    data: st.DataObject, size: int
) -> None:
    log, index = leaves(size), data.draw(st.integers(0, size - 1))
    proof = roots(inclusion_ranges(index, size), log)
    true = mth(log)

    assert not verify_inclusion(bytes(32), index, size, proof, true)
    assert not verify_inclusion(log[index], (index + 1) % size, size, proof, true)
    assert not verify_inclusion(log[index], index, size, proof, bytes(32))
    assert not verify_inclusion(log[index], index, size, proof[:-1], true)
    assert not verify_inclusion(log[index], index, size, [*proof, bytes(32)], true)
    assert not verify_inclusion(log[index], size, size, proof, true)
    assert not verify_inclusion(log[index], -1, size, proof, true)


@given(st.data(), st.integers(2, 130))
def test_a_log_that_was_rewritten_has_no_consistency_proof(data: st.DataObject, size: int) -> None:
    log, earlier = leaves(size), data.draw(st.integers(1, size - 1))
    forged = [bytes(32), *log[1:]]
    proof = roots(consistency_ranges(earlier, size), forged)
    before, after = mth(log[:earlier]), mth(forged)

    assert not verify_consistency(earlier, size, proof, before, after)
    assert verify_consistency(earlier, size, proof, mth(forged[:earlier]), after)
    assert not verify_consistency(earlier, size, [], before, after)
    assert not verify_consistency(earlier, size, [*proof, bytes(32)], before, after)
    assert not verify_consistency(0, size, proof, before, after)
    assert not verify_consistency(size + 1, size, proof, before, after)


def test_a_tree_is_consistent_with_itself_and_with_no_other() -> None:
    true = mth(leaves(5))

    assert verify_consistency(5, 5, [], true, true)
    assert not verify_consistency(5, 5, [], true, bytes(32))
    assert not verify_consistency(5, 5, [bytes(32)], true, true)


def test_ranges_beyond_the_leaves_have_no_roots() -> None:
    with pytest.raises(ValueError, match="end before 8"):
        roots(inclusion_ranges(0, 8), leaves(7))


@given(st.data(), SIZES)
def test_pymerkle_grows_the_same_tree_and_the_same_paths(data: st.DataObject, size: int) -> None:
    log = leaves(size)
    oracle = InmemoryTree(algorithm="sha256")
    for leaf in log:
        oracle.append_entry(leaf)
    index = data.draw(st.integers(0, size - 1))
    theirs = oracle.prove_inclusion(index + 1, size).path
    earlier, now = oracle.get_root(index + 1), oracle.get_root(size)

    assert now == root(log)
    # pymerkle puts the leaf's own hash in front of the path.
    assert theirs[1:] == roots(inclusion_ranges(index, size), log)
    assert verify_inclusion(log[index], index, size, theirs[1:], now)
    proof = roots(consistency_ranges(index + 1, size), log)
    assert verify_consistency(index + 1, size, proof, earlier, now)
