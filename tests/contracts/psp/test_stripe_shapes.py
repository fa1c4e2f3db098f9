"""The simulator answers in shapes that the SDK's own types promise. It is a model, not Stripe."""

from __future__ import annotations

import json
import types
import typing
from typing import Any

import httpx
import pytest
import stripe

from tests.contracts.psp.conftest import StripeStage, accepted
from tests.contracts.psp.test_events import a_days_work

V2 = stripe.v2.money_management
TYPES: dict[str, type[stripe.StripeObject]] = {
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "balance_transaction": stripe.BalanceTransaction,
    "payout": stripe.Payout,
    "radar.early_fraud_warning": stripe.radar.EarlyFraudWarning,
    "v2.money_management.outbound_payment": V2.OutboundPayment,
    "v2.money_management.recipient_verification": V2.RecipientVerification,
}


@pytest.fixture(scope="module")
def objects(stage: StripeStage) -> list[dict[str, Any]]:
    a_days_work(stage)
    kinds = stage.sim.world.objects.values()
    return [json.loads(json.dumps(obj, default=str)) for kind in kinds for obj in kind.values()]


def missing_fields(obj: dict[str, Any], kind: type[Any], path: str = "") -> list[str]:
    """Name the fields that the SDK's type promises and the object lacks, all the way down."""
    found = []
    inner = getattr(kind, "_inner_class_types", {})
    renamed = getattr(kind, "_field_remappings", {})
    for name, hint in kind.__annotations__.items():
        if str(hint).startswith("typing.ClassVar"):
            continue
        optional = type(None) in typing.get_args(hint)
        shown = renamed.get(name, name)
        if shown not in obj and not optional:
            found.append(f"{path}{shown}")
        elif isinstance(obj.get(shown), dict) and shown in inner:
            found += missing_fields(obj[shown], inner[shown], f"{path}{shown}.")
    return found


def test_every_object_has_all_that_its_type_promises(objects: list[dict[str, Any]]) -> None:
    seen = {obj["object"] for obj in objects}
    lacking = {
        (obj["object"], field)
        for obj in objects
        if obj["object"] in TYPES
        for field in missing_fields(obj, TYPES[obj["object"]])
    }

    assert set(TYPES) <= seen
    assert not lacking


def test_no_object_has_a_field_that_its_type_does_not_know(objects: list[dict[str, Any]]) -> None:
    unknown = set()
    for obj in objects:
        if kind := TYPES.get(obj["object"]):
            renamed = getattr(kind, "_field_remappings", {})
            known = {renamed.get(name, name) for name in kind.__annotations__}
            unknown |= {(obj["object"], name) for name in obj if name not in known}

    assert not unknown


def test_a_missing_field_is_noticed(objects: list[dict[str, Any]]) -> None:
    """The control of both tests above."""
    intent = next(obj for obj in objects if obj["object"] == "payment_intent")
    dispute = next(obj for obj in objects if obj["object"] == "dispute")
    del intent["amount_capturable"]
    del dispute["evidence_details"]["past_due"]

    assert missing_fields(intent, stripe.PaymentIntent) == ["amount_capturable"]
    assert missing_fields(dispute, stripe.Dispute) == ["evidence_details.past_due"]


def test_answers_become_the_sdks_typed_objects(stage: StripeStage) -> None:
    client = stripe.StripeClient(
        "sk_test_shapes",
        base_addresses={"api": stage.sim.url},
        http_client=stage.api._wire,
        max_network_retries=0,
    )
    payment = stage.paid()
    payout = stage.paid_out()
    stage.sim.post_outbound(payout.reference)

    intent = client.v1.payment_intents.retrieve(payment.reference, {"expand": ["latest_charge"]})
    outbound = client.v2.money_management.outbound_payments.retrieve(payout.reference)
    event = client.v1.events.list({"limit": 1}).data[0]
    thin = client.v2.core.events.list({"limit": 1}).data[0]

    assert isinstance(intent, stripe.PaymentIntent)
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert intent.latest_charge.payment_method_details is not None
    assert isinstance(outbound, V2.OutboundPayment)
    assert outbound.from_.financial_account == "fa_1"
    assert isinstance(event, stripe.Event)
    assert thin.type == "v2.money_management.outbound_payment.posted"


def test_errors_become_the_sdks_typed_errors(stage: StripeStage) -> None:
    payment = stage.paid()
    with pytest.raises(stripe.InvalidRequestError) as over:
        stage.api.create_refund({"payment_intent": payment.reference, "amount": 10**9}, "over")
    with pytest.raises(stripe.IdempotencyError):
        stage.api.create_refund({"payment_intent": payment.reference, "amount": 1}, "over")
    with pytest.raises(stripe.CardError) as declined:
        stage.api.create_intent(
            {
                "amount": 100,
                "currency": "eur",
                "confirm": True,
                "payment_method": "pm_card_chargeDeclined",
            },
            "declined",
        )

    assert over.value.code == "amount_too_large"
    assert declined.value.code == "card_declined"


def test_an_invalid_request_is_not_stored_under_its_key(stage: StripeStage) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stage.api.create_intent({"amount": 0, "currency": "eur"}, "corrected")

    assert stage.api.create_intent({"amount": 100, "currency": "eur"}, "corrected")["amount"] == 100


def test_the_same_seed_makes_the_same_ids_and_events() -> None:
    def played() -> list[bytes]:
        with StripeStage() as stage:
            a_days_work(stage)
            return [event.body for event in (*stage.sim.world.events, *stage.sim.world.thin)]

    assert played() == played()


def test_the_control_surface_plays_the_world_over_http(stage: StripeStage) -> None:
    def play(name: str, **asked: object) -> Any:
        answer = httpx.post(f"{stage.sim.url}/_sim/{name}", json=asked, trust_env=False)
        return types.SimpleNamespace(status=answer.status_code, body=answer.json())

    payment = stage.opened()
    paid = play("pay", intent=payment.reference, outcome="succeeded")
    dispute = play("open_dispute", charge=paid.body["latest_charge"], amount=500)
    account = play("add_recipient")
    moved = play("advance", by_s=60)
    fault = play("fault", kind="rate_limited", path="/v1/refunds")
    refused = stage.provider.refund(
        payment.reference,
        amount=payment.amount,
        payout=stage.new_id(),
        idempotency_key=stage.new_key(),
    )

    assert paid.body["status"] == "succeeded"
    assert dispute.body["amount"] == 500
    assert account.body[0].startswith("acct_")
    assert (moved.status, fault.status) == (200, 200)
    assert getattr(refused, "code", None) == "rate_limited"
    assert play("pay", intent="pi_nothing").status == 404
    assert play("pay", outcome="succeeded").status == 400
    assert play("pay", intent=payment.reference, outcome="magic").status == 400
    assert play("stop").status == 404
    assert play("fault", kind="magic").status == 400
    assert accepted(stage.provider.retrieve_payment(payment.reference)).charge
