"""Proofs that many rows stand in one checkpointed log, from a single walk over its digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.store.merkle import Range, inclusion_ranges, leaf_hash, node_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def proofs(indexes: Collection[int], size: int, leaves: Iterable[bytes]) -> dict[int, list[bytes]]:
    """Compute for each leaf what `ledger.store.merkle.verify_inclusion` asks for.

    Args:
        indexes: of the leaves to prove, from 0.
        size: of the tree.
        leaves: in order; what comes beyond the tree is not read.

    Raises:
        ValueError: the leaves end before the tree does.
    """
    wanted = {index: inclusion_ranges(index, size) for index in indexes}
    needed = {each for ranges in wanted.values() for each in ranges}
    found: dict[Range, bytes] = {}
    edge: list[tuple[Range, bytes]] = []

    def keep(node: Range, value: bytes) -> None:
        if node in needed:
            found[node] = value

    read = 0
    for data in leaves:
        if read == size:
            break
        node, value = Range(read, read + 1), leaf_hash(data)
        keep(node, value)
        while edge and edge[-1][0].stop - edge[-1][0].start == node.stop - node.start:
            left, before = edge.pop()
            node, value = Range(left.start, node.stop), node_hash(before, value)
            keep(node, value)
        edge.append((node, value))
        read += 1
    if read < size:
        raise ValueError(f"the leaves end before {size}")
    if edge:
        # What hangs at the right edge is no full subtree: joined from its end.
        node, value = edge.pop()
        while edge:
            left, before = edge.pop()
            node, value = Range(left.start, node.stop), node_hash(before, value)
            keep(node, value)
    return {index: [found[each] for each in ranges] for index, ranges in wanted.items()}
