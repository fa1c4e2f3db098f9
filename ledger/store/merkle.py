"""The Merkle tree of RFC 9162 over the digests of a log: roots, proofs, and their verification.

The data of leaf `n - 1` are the 32 bytes of the digest of position `n`. Then, as the RFC has it,

    leaf hash  = SHA-256(0x00 ‖ digest)
    node hash  = SHA-256(0x01 ‖ left ‖ right)

and a tree of `n` leaves is split at the largest power of two below `n`. Nothing here keeps the
leaves: a proof names the ranges whose roots it needs, and one walk over the log computes them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EMPTY_ROOT: Final = hashlib.sha256().digest()
HASH_BYTES: Final = 32
_SIZE_BYTES: Final = 8


class Range(NamedTuple):
    """The leaves from `start` up to and without `stop`."""

    start: int
    stop: int


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: all that is needed to go on, and to say its root.

    One hash per bit that is set in `size`, from the largest full subtree to the smallest.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)
        self._before: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Add one leaf."""
        self._before = self._peaks.copy()
        node, full = leaf_hash(data), self.size
        while full & 1:
            node = node_hash(self._peaks.pop(), node)
            full >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = node_hash(peak, node)
        return node

    def before(self) -> bytes:
        """Write down the edge as it was before the newest leaf: size, then hashes.

        Who reads it back adds that leaf from the log itself, so that the root speaks of the log.
        """
        assert self.size, "a leaf was added"
        return (self.size - 1).to_bytes(_SIZE_BYTES, "big") + b"".join(self._before)

    @classmethod
    def read(cls, written: bytes) -> Frontier:
        """Read an edge back. Nothing says that it is true: compare the root.

        Raises:
            ValueError: it has not the form of one.
        """
        size, hashes = int.from_bytes(written[:_SIZE_BYTES], "big"), written[_SIZE_BYTES:]
        if len(written) != _SIZE_BYTES + HASH_BYTES * size.bit_count():
            raise ValueError("these bytes are no edge of a tree")
        return cls(size, [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)])


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Name the subtrees whose roots prove that leaf `index` is in the tree of `size` leaves."""
    assert 0 <= index < size, "the leaf is in the tree"
    ranges, start, stop = [], 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            ranges.append(Range(middle, stop))
            stop = middle
        else:
            ranges.append(Range(start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(earlier: int, size: int) -> list[Range]:
    """Name the subtrees whose roots prove that the tree of `earlier` leaves grew into `size`."""
    assert 0 < earlier <= size, "a tree grows from something"
    ranges, start, stop, whole = [], 0, size, True
    while earlier != stop:
        middle = start + _split(stop - start)
        if earlier <= middle:
            ranges.append(Range(middle, stop))
            stop = middle
        else:
            ranges.append(Range(start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append(Range(start, stop))
    return ranges[::-1]


def roots(ranges: Sequence[Range], leaves: Iterable[bytes]) -> list[bytes]:
    """Compute the roots of ranges in one walk over the leaves; ranges do not overlap.

    Raises:
        ValueError: the leaves end before the last range does.
    """
    found: dict[Range, bytes] = {}
    ordered = iter(sorted(ranges))
    wanted, frontier = next(ordered, None), Frontier()
    for index, data in enumerate(leaves):
        if wanted is None:
            break
        if index >= wanted.start:
            frontier.add(data)
        if index + 1 == wanted.stop:
            found[wanted] = frontier.root()
            wanted, frontier = next(ordered, None), Frontier()
    if wanted is not None:
        raise ValueError(f"the leaves end before {wanted.stop}")
    return [found[each] for each in ranges]


def verify_inclusion(
    data: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether the proof leads from the leaf to the root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf_hash(data)
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    earlier: int, size: int, proof: Sequence[bytes], earlier_root: bytes, root: bytes
) -> bool:
    """Tell whether the proof leads from both roots to one history (RFC 9162 §2.1.4.2)."""
    if not 0 < earlier <= size:
        return False
    if earlier == size:
        return not proof and earlier_root == root
    steps = [earlier_root, *proof] if earlier & (earlier - 1) == 0 else list(proof)
    if not steps:
        return False
    place, last = earlier - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == earlier_root and new == root


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
