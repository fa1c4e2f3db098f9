"""What a house may do in the vault: what its references name, written as a vault's policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.secrets.vault import DATABASE, TRANSIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapters.secrets.port import Reference

Right = tuple[str, tuple[str, ...]]
"""A path of the vault, and what may be done there."""


def rights(references: Iterable[Reference], *, rotating: bool = False) -> list[Right]:
    """List what has to be allowed, each path once, in order.

    Args:
        references: what the settings name; those that lie outside the vault ask for nothing.
        rotating: for whoever rotates, who may write and renew, and neither sign nor unwrap.
    """
    found: dict[str, set[str]] = {}
    for reference in references:
        if reference.scheme == "vault":
            for path, right in _rights(reference, rotating=rotating):
                found.setdefault(path, set()).add(right)
    return [(path, tuple(sorted(each))) for path, each in sorted(found.items())]


def policy(references: Iterable[Reference], *, rotating: bool = False) -> str:
    """Write the policy in the vault's own language."""
    return "".join(
        f'path "{path}" {{\n  capabilities = [{", ".join(f"{each!r}" for each in allowed)}]\n}}\n'
        for path, allowed in rights(references, rotating=rotating)
    ).replace("'", '"')


def _rights(reference: Reference, *, rotating: bool) -> Iterator[tuple[str, str]]:
    mount, inner = reference.mount, reference.inner
    name = inner.rpartition("/")[2]
    match mount:
        case _ if mount == TRANSIT:
            yield f"{mount}/{inner}", "read"
            if rotating:
                yield f"{mount}/{inner}/rotate", "update"
                return
            for act in (f"sign/{name}", f"datakey/plaintext/{name}", f"decrypt/{name}"):
                yield f"{mount}/{act}", "update"
        case _ if mount == DATABASE:
            yield f"{mount}/{inner}", "read"
            if rotating:
                yield f"{mount}/rotate-role/{name}", "update"
        case _:
            yield f"{mount}/data/{inner}", "read"
            if rotating:
                yield f"{mount}/data/{inner}", "create"
                yield f"{mount}/data/{inner}", "update"
