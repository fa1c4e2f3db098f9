"""The door of the payment providers: kept durably before it is answered, acted on afterwards."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from api.door.bodies import RawBody, StrictRouter
from api.door.problems import ApiProblem
from api.door.views import Recorded
from api.door.words import Slug
from api.house.front import AtFront
from api.records.access import touched
from ledger.chart import merchant_account as account_of
from ledger.errors import InvalidInput
from payments.reactors.notices import keeping

ROUTER: Final = StrictRouter(tags=["webhooks"])


@ROUTER.post("/webhooks/{provider}/{merchant_account}")
async def receive(
    request: Request, provider: Slug, merchant_account: Slug, raw: RawBody, front: AtFront
) -> Recorded:
    """Take a provider's message. 200 says that it is in the log; a duplicate is one message.

    The signature is judged by the time on the wall, whatever day the books play.
    """
    house = front.house
    source = house.desk.providers.get((provider, merchant_account))
    if source is None:
        raise ApiProblem("not_found")
    now = front.wall()
    try:
        delivery = source.receive(raw, request.headers, now=now)
    except InvalidInput as refusal:
        front.unverified.add(f"{provider}/{merchant_account}", refusal.public_code, raw, now)
        raise ApiProblem("webhook_refused") from None
    receipt = await front.submit(keeping(house.desk, source, delivery))
    clearing = account_of(house.book.entity, "psp:clearing", merchant_account)
    touched(request, "kept webhook", account=clearing)
    return Recorded(position=receipt.position)
