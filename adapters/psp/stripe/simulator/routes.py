"""The simulated Stripe's endpoints: method and path → what is done to the world."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from adapters.psp.stripe.simulator import disputes, outbound, payments
from adapters.psp.stripe.simulator.errors import StripeRefusal, missing
from adapters.psp.stripe.simulator.lists import (
    event_page,
    expanded,
    one_event,
    page,
    thin_page,
)
from adapters.psp.stripe.simulator.world import ENCODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.psp.stripe.simulator.world import Obj, World

Handler: TypeAlias = "Callable[[World, Obj, str], Obj]"
"""Takes the world, the parameters, and the id in the path (empty where there is none)."""


def _one(kind: str) -> Handler:
    def retrieve(world: World, _asked: Obj, reference: str) -> Obj:
        return world.get(kind, reference)

    return retrieve


def _many(kind: str, *filters: str) -> Handler:
    def listing(world: World, asked: Obj, _reference: str) -> Obj:
        def fits(obj: Obj) -> bool:
            return all(name not in asked or obj[name] == asked[name] for name in filters)

        return page([obj for obj in world.all(kind) if fits(obj)], asked)

    return listing


def _lines(world: World, asked: Obj, _reference: str) -> Obj:
    lines = world.all("balance_transaction")
    if "payout" in asked:
        paid = asked["payout"]
        lines = [line for line in lines if world.settled_by.get(line["id"]) == paid]
    for name in ("type", "source", "currency"):
        lines = [line for line in lines if name not in asked or line[name] == asked[name]]
    return page(lines, asked)


def _create_intent(world: World, asked: Obj, _reference: str) -> Obj:
    intent = payments.create_intent(world, asked)
    if asked.get("confirm") is True:
        payments.confirm(world, intent, str(asked.get("payment_method", "pm_card_visa")))
    return intent


def _confirm(world: World, asked: Obj, reference: str) -> Obj:
    method = str(asked.get("payment_method", "pm_card_visa"))
    return payments.confirm(world, world.get("payment_intent", reference), method)


def _capture(world: World, asked: Obj, reference: str) -> Obj:
    intent = world.get("payment_intent", reference)
    return payments.capture(world, intent, asked.get("amount_to_capture"))


def _respond(world: World, asked: Obj, reference: str) -> Obj:
    dispute = world.get("dispute", reference)
    return disputes.respond(world, dispute, submit=asked.get("submit") is True)


def _outbounds(world: World, asked: Obj, _reference: str) -> Obj:
    found = world.all("outbound_payment")
    if "recipient" in asked:
        found = [obj for obj in found if obj["to"]["recipient"] == asked["recipient"]]
    return thin_page(found, asked, "/v2/money_management/outbound_payments")


def _new_recipient(world: World, _asked: Obj, _reference: str) -> Obj:
    return world.get("account", outbound.add_recipient(world)[0])


_ID: Final = "([A-Za-z0-9_]+)"
_OUTBOUND: Final = "/v2/money_management/outbound_payments"
_VERIFICATION: Final = "/v2/money_management/recipient_verifications"

_ROUTES: Final[tuple[tuple[str, re.Pattern[str], Handler], ...]] = tuple(
    (method, re.compile(path.replace("{id}", _ID)), handler)
    for method, path, handler in (
        ("POST", "/v1/payment_intents", _create_intent),
        ("GET", "/v1/payment_intents", _many("payment_intent", "customer")),
        ("GET", "/v1/payment_intents/{id}", _one("payment_intent")),
        ("POST", "/v1/payment_intents/{id}/confirm", _confirm),
        ("POST", "/v1/payment_intents/{id}/capture", _capture),
        (
            "POST",
            "/v1/payment_intents/{id}/cancel",
            lambda w, _, i: payments.cancel(w, w.get("payment_intent", i)),
        ),
        ("GET", "/v1/customers", _many("customer")),
        ("GET", "/v1/charges", _many("charge", "payment_intent")),
        ("GET", "/v1/charges/{id}", _one("charge")),
        ("POST", "/v1/refunds", lambda w, asked, _: payments.create_refund(w, asked)),
        ("GET", "/v1/refunds", _many("refund", "payment_intent", "charge")),
        ("GET", "/v1/refunds/{id}", _one("refund")),
        ("GET", "/v1/disputes", _many("dispute", "payment_intent", "charge")),
        ("GET", "/v1/disputes/{id}", _one("dispute")),
        ("POST", "/v1/disputes/{id}", _respond),
        (
            "POST",
            "/v1/disputes/{id}/close",
            lambda w, _, i: disputes.close(w, w.get("dispute", i), "lost"),
        ),
        ("GET", "/v1/balance_transactions", _lines),
        ("GET", "/v1/balance_transactions/{id}", _one("balance_transaction")),
        ("GET", "/v1/payouts", _many("payout", "status")),
        ("GET", "/v1/payouts/{id}", _one("payout")),
        ("GET", "/v1/events", lambda w, asked, _: event_page(w, asked)),
        ("GET", "/v1/events/{id}", lambda w, _, i: one_event(w.events, i)),
        ("POST", "/v2/core/accounts", _new_recipient),
        ("GET", "/v2/core/accounts/{id}", _one("account")),
        ("POST", _OUTBOUND, lambda w, asked, _: outbound.create(w, asked)),
        ("GET", _OUTBOUND, _outbounds),
        ("GET", _OUTBOUND + "/{id}", _one("outbound_payment")),
        (
            "POST",
            _OUTBOUND + "/{id}/cancel",
            lambda w, _, i: outbound.move(w, w.get("outbound_payment", i), "canceled"),
        ),
        ("POST", _VERIFICATION, lambda w, asked, _: outbound.verify(w, asked)),
        ("GET", _VERIFICATION + "/{id}", _one("recipient_verification")),
        (
            "POST",
            _VERIFICATION + "/{id}/acknowledge",
            lambda w, _, i: outbound.acknowledge(w, w.get("recipient_verification", i)),
        ),
        ("GET", "/v2/core/events", lambda w, asked, _: thin_page(w.thin, asked, "/v2/core/events")),
        ("GET", "/v2/core/events/{id}", lambda w, _, i: one_event(w.thin, i)),
    )
)


def handle(world: World, method: str, path: str, asked: Obj) -> bytes:
    """Do what the request asks for.

    Returns:
        The body to answer with, written while nobody else can change the objects in it.

    Raises:
        StripeRefusal: with the status and the body to answer with.
    """
    for wanted, pattern, handler in _ROUTES:
        found = pattern.fullmatch(path)
        if found and wanted == method:
            reference = found.group(1) if pattern.groups else ""
            with world.lock:
                answer = handler(world, asked, reference)
                return ENCODE(expanded(world, answer, asked.get("expand")))
    message = f"Unrecognized request URL ({method}: {path})."
    if any(pattern.fullmatch(path) for _, pattern, _ in _ROUTES):
        raise StripeRefusal(405, "invalid_request_error", message, started=False)
    raise missing("path", path)
