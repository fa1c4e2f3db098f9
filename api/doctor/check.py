"""What a look found: it is as it should be, or what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Check(NamedTuple):
    """One look.

    Attributes:
        name: what was looked at.
        held: it is as it should be.
        detail: what was found; never a value of a secret.
        todo: what to do, where it is not.
    """

    name: str
    held: bool
    detail: str
    todo: str = ""


def good(name: str, detail: str) -> Check:
    """Say that it is as it should be."""
    return Check(name, held=True, detail=detail)


def bad(name: str, detail: str, todo: str) -> Check:
    """Say that it is not, and what to do."""
    return Check(name, held=False, detail=detail, todo=todo)


def guarded(
    name: str, look: Callable[[], Iterable[Check]], *told: type[Exception], todo: str
) -> Iterator[Check]:
    """Look; what hinders is itself a finding, and no other look suffers from it.

    Args:
        name: what is looked at.
        look: yields what it finds.
        told: trouble whose words may be shown; of any other only the kind is.
        todo: what to do where it cannot be looked at.
    """
    try:
        yield from look()
    except Exception as trouble:
        words = str(trouble) if isinstance(trouble, told) else type(trouble).__name__
        yield bad(name, words, todo)


def differing(name: str, allowed: set[str], live: set[str], *, grant: str, revoke: str) -> Check:
    """Compare rights: what is missing, and what is held beyond need."""
    missing, beyond = sorted(allowed - live), sorted(live - allowed)
    if not missing and not beyond:
        return good(name, f"{len(live)} rights, as they should be")
    told = [f"missing {', '.join(missing)}"] if missing else []
    told += [f"beyond need {', '.join(beyond)}"] if beyond else []
    todo = [grant] if missing else []
    todo += [revoke] if beyond else []
    return bad(name, "; ".join(told), "; ".join(todo))
