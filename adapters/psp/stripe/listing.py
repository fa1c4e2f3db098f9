"""Stripe's two event lists read from a cursor: snapshots (v1) and thin notes (v2), oldest first.

A cursor is `<id of the newest v1 event seen> <time of the newest v2 event seen>`, either of them
`-` while there is none. The newest v2 events are listed once more each time, since several may
share a millisecond: whoever reads drops what it knows by its event id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from adapters.psp.stripe import fields
from adapters.psp.stripe.events import delivery
from ledger.errors import InvalidInput
from payments.ports import Page

if TYPE_CHECKING:
    from adapters.psp.stripe.client import StripeApi
    from adapters.psp.stripe.fields import Json
    from adapters.psp.stripe.translate import Translator
    from payments.notices import Delivery

NOTHING: Final = "-"
_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def page_after(api: StripeApi, translator: Translator, cursor: str | None) -> Page:
    """Read the events after the cursor; None begins with the oldest that Stripe still holds.

    Raises:
        InvalidInput: `cursor_malformed`.
    """
    newest, since = _split(cursor)
    snapshots, more = _oldest(api) if newest == NOTHING else _following(api, newest)
    thin = _thin(api, since)
    found = tuple(_delivery(event, translator) for event in (*snapshots, *thin))
    if snapshots:
        newest = fields.reference(snapshots[-1])
    if thin:
        since = fields.word(thin[-1], "created")
    return Page(found, f"{newest} {since}", more)


def _split(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return NOTHING, NOTHING
    newest, gap, since = cursor.partition(" ")
    if not newest or not gap or not since or " " in since:
        raise InvalidInput("this is no cursor of ours", code="cursor_malformed")
    return newest, since


def _following(api: StripeApi, newest: str) -> tuple[list[Json], bool]:
    page, more = api.event_page({"ending_before": newest})
    return page[::-1], more


def _oldest(api: StripeApi) -> tuple[list[Json], bool]:
    """Walk to the far end of the list, which Stripe keeps newest first, and take its last page."""
    page, beyond = api.event_page({})
    first = True
    while beyond and page:
        page, beyond = api.event_page({"starting_after": fields.reference(page[-1])})
        first = False
    return page[::-1], not first


def _thin(api: StripeApi, since: str) -> list[Json]:
    params: Json = {} if since == NOTHING else {"created": {"gte": since}}
    # Turned round before it is sorted, so that neighbours within a millisecond keep their order.
    found = list(api.thin_events(params))[::-1]
    return sorted(found, key=fields.moment)


def _delivery(event: Json, translator: Translator) -> Delivery:
    return delivery(event, raw=_JSON.encode(event), translator=translator)
