"""Stripe's events, in our words: the snapshots of v1 and the thin notes of v2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.card_numbers import masked
from adapters.psp.stripe import fields
from adapters.psp.stripe.fields import Json
from adapters.psp.stripe.translate import PROVIDER, Translator
from ledger.errors import InvalidInput
from payments.notices import Delivery, Mention, ObjectKind, Report, Unrecognised

if TYPE_CHECKING:
    from datetime import datetime

_THIN: Final = {"v2.money_management.outbound_payment": ObjectKind.PAYOUT}


def delivery(event: object, *, raw: bytes, translator: Translator) -> Delivery:
    """Read one event of either kind.

    An event that is none (no id, no time) or of the other mode is refused. One that we do not
    know, or whose object cannot be read, is delivered as `Unrecognised`: it is Stripe's, and kept.

    Raises:
        InvalidInput: `not_an_event` or `wrong_mode`.
    """
    try:
        envelope = fields.read_object(event, "event")
        kind = fields.word(envelope, "object")
        name, created_at = fields.word(envelope, "type"), fields.moment(envelope)
        reference, live = fields.reference(envelope), fields.truth(envelope, "livemode")
    except InvalidInput as error:
        raise InvalidInput("signed, but no event of Stripe", code="not_an_event") from error
    if kind not in {"event", "v2.core.event"}:
        raise InvalidInput("signed, but no event of Stripe", code="not_an_event")
    if live is not translator.live:
        raise InvalidInput(
            "a test event never reaches a live book, nor the reverse", code="wrong_mode"
        )
    return Delivery(
        provider=PROVIDER,
        merchant_account=translator.merchant_account,
        event=reference,
        type=name,
        live=live,
        created_at=created_at,
        report=_report(envelope, kind, name, created_at, translator),
        raw=masked(raw),
    )


def _report(envelope: Json, kind: str, name: str, at: datetime, translator: Translator) -> Report:
    try:
        if kind == "v2.core.event":
            return _thin(envelope, name, at)
        data = fields.read_object(envelope.get("data"), "data")
        obj = fields.read_object(data.get("object"), "data.object")
        return _snapshot(obj, name, at, translator)
    except InvalidInput as refusal:
        return Unrecognised(type=name, detail=f"{refusal.public_code}: {refusal.detail}")


def _snapshot(obj: Json, name: str, at: datetime, translator: Translator) -> Report:
    """The object tells what it is: the event's name only has to be of a family that we follow."""
    match name.split("."):
        case ["payment_intent", _]:
            return translator.payment(obj, at)
        case ["charge", "dispute", _]:
            return translator.dispute(obj, at)
        case ["refund", _] | ["charge", "refund", _]:
            return translator.refund(obj, at)
        case ["charge", _]:
            return translator.charge(obj, at) or _payment_of(obj, name, at)
        case ["payout", _]:
            return translator.settlement(obj, at)
        case ["radar", "early_fraud_warning", _]:
            return translator.fraud_warning(obj, at)
        case _:
            return Unrecognised(type=name)


def _payment_of(charge: Json, name: str, at: datetime) -> Report:
    payment = fields.maybe_reference(charge, "payment_intent")
    if payment is None:
        return Unrecognised(type=name, detail="a charge without a payment intent")
    return Mention(kind=ObjectKind.PAYMENT, reference=payment, happened_at=at)


def _thin(envelope: Json, name: str, at: datetime) -> Report:
    related = fields.nested(envelope, "related_object")
    if related is None:
        return Unrecognised(type=name)
    kind = _THIN.get(fields.word(related, "type"))
    if kind is None:
        return Unrecognised(type=name)
    return Mention(kind=kind, reference=fields.reference(related), happened_at=at)
