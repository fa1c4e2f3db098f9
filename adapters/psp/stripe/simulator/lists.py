"""Lists in Stripe's two manners, and ids expanded to the objects they name."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from adapters.psp.stripe.simulator.errors import invalid, missing
from adapters.psp.stripe.simulator.world import Emitted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapters.psp.stripe.simulator.world import Obj, World

_LIMIT: Final = 10
_LIMIT_MAX: Final = 100
_EVENTS_KEPT: Final = timedelta(days=30)


def page(found: Sequence[Any], asked: Obj) -> Obj:
    """Cut a v1 page, newest first: after `starting_after`, or the nearest before `ending_before`.

    Args:
        found: objects or events, oldest first.
        asked: the list parameters.
    """
    limit = _limit(asked)
    newest_first = [item for item in reversed(found) if _created_fits(item, asked)]
    first, last = 0, len(newest_first)
    if "starting_after" in asked:
        first = _place(newest_first, asked["starting_after"]) + 1
    if "ending_before" in asked:
        last = _place(newest_first, asked["ending_before"])
        first = max(first, last - limit)
        more = first > 0
    else:
        more = last - first > limit
    cut = newest_first[first:last][:limit]
    return {"object": "list", "data": [_raw(item) for item in cut], "has_more": more, "url": "/v1"}


def event_page(world: World, asked: Obj) -> Obj:
    """Cut a page of v1 events, of the 30 days that Stripe keeps; cursors cost no search."""
    events, limit = world.events, _limit(asked)
    first = bisect_left(events, world.clock() - _EVENTS_KEPT, key=lambda event: event.created)
    if {"type", "created"} & set(asked):
        wanted = asked.get("type")
        return page([e for e in events[first:] if wanted in {None, e.type}], asked)
    last = len(events)
    if "ending_before" in asked:
        first = _event_place(world, asked["ending_before"]) + 1
        cut, more = events[first : first + limit], first + limit < last
    else:
        if "starting_after" in asked:
            last = _event_place(world, asked["starting_after"])
        cut, more = events[max(first, last - limit) : last], last - limit > first
    data = [msgspec.Raw(event.body) for event in reversed(cut)]
    return {"object": "list", "data": data, "has_more": more, "url": "/v1/events"}


def _event_place(world: World, reference: object) -> int:
    place = world.places.get(str(reference))
    if place is None:
        raise missing("event", str(reference))
    return place


def one_event(events: list[Emitted], reference: str) -> Any:
    """Show one event."""
    found = next((event for event in events if event.id == reference), None)
    if found is None:
        raise missing("event", reference)
    return _raw(found)


def thin_page(found: Sequence[Any], asked: Obj, url: str) -> Obj:
    """Cut a v2 page, newest first; the place to go on is in the next page's address."""
    limit = _limit(asked)
    fitting = [item for item in reversed(found) if _created_fits(item, asked)]
    place = asked.get("page", "0")
    if not isinstance(place, str) or not place.isdecimal():
        raise invalid("Invalid page.", param="page")
    first = int(place)
    following = None
    if len(fitting) > first + limit:
        filters = "".join(f"&created[{k}]={v}" for k, v in asked.get("created", {}).items())
        following = f"{url}?limit={limit}&page={first + limit}{filters}"
    data = [_raw(item) for item in fitting[first : first + limit]]
    return {"data": data, "next_page_url": following, "previous_page_url": None}


def expanded(world: World, answer: Any, paths: object) -> Any:
    """Show whole what `expand` names; everything else stays an id."""
    if not isinstance(paths, list) or not isinstance(answer, dict):
        return answer
    for path in paths:
        answer = _expand(world, answer, str(path).split("."))
    return answer


def _expand(world: World, obj: Obj, path: list[str]) -> Obj:
    name, rest = path[0], path[1:]
    value = obj.get(name)
    if isinstance(value, str):
        value = world.find(value)
    if not isinstance(value, dict):
        return obj
    return {**obj, name: _expand(world, value, rest) if rest else value}


def _limit(asked: Obj) -> int:
    limit = asked.get("limit", _LIMIT)
    # v2 parameters come as text in the query, v1 ones are numbers by name.
    limit = int(limit) if isinstance(limit, str) and limit.isdecimal() else limit
    if type(limit) is not int or not 1 <= limit <= _LIMIT_MAX:
        raise invalid("This value must be between 1 and 100.", param="limit")
    return limit


def _id(item: Any) -> str:
    return item.id if isinstance(item, Emitted) else str(item["id"])


def _raw(item: Any) -> Any:
    return msgspec.Raw(item.body) if isinstance(item, Emitted) else item


def _place(items: list[Any], reference: object) -> int:
    for place, item in enumerate(items):
        if _id(item) == reference:
            return place
    raise missing("object", str(reference))


_COMPARE: Final[dict[str, Callable[[datetime, datetime], bool]]] = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


def _created_fits(item: Any, asked: Obj) -> bool:
    wanted = asked.get("created")
    if not isinstance(wanted, dict):
        return True
    # What an event says of its time counts: it is written to the millisecond or to the second.
    shown = msgspec.json.decode(item.body) if isinstance(item, Emitted) else item
    created = _time(shown["created"])
    return all(
        name in _COMPARE and _COMPARE[name](created, _time(value)) for name, value in wanted.items()
    )


def _time(value: object) -> datetime:
    try:
        if isinstance(value, int):
            return datetime.fromtimestamp(value, UTC)
        return datetime.fromisoformat(str(value))
    except (ValueError, OverflowError) as error:
        raise invalid("Invalid timestamp.", param="created") from error
