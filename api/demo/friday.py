"""Friday: clients come, pay in, ask for money; verification lets it go; some of it comes back."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from api.demo.lines import Refused
from api.demo.sandbox import BEGINS, COUNTRY, CURRENCIES, MERCHANT, Person
from api.identity.scopes import Role
from ledger.ids import ClientId

if TYPE_CHECKING:
    from api.demo.sandbox import Day

WAVE = 100
"""Deposits that are made before the clock goes on a little."""


async def clients_come(day: Day) -> None:
    """Clients register in eight currencies; most are verified in the morning."""

    async def register(number: int) -> Person:
        currency = CURRENCIES[number % len(CURRENCIES)]
        answer = await day.broker.post(
            Role.CRM,
            "/v1/clients",
            f"client-{number}",
            residence=COUNTRY[currency],
            category="retail",
            account_currency=currency,
            name_ref=f"crm:{number:05d}",
        )
        return Person(ClientId(UUID(answer["client"])), currency, verified=number % 10 < 7)  # noqa: PLR2004

    day.people = await day.broker.all(register, range(day.size.clients))
    verified = [person for person in day.people if person.verified]
    await day.broker.all(lambda person: approve(day, person), verified)
    in_currency = Counter(person.currency for person in day.people)
    day.paper.stage("Clients come", day.clock())
    day.paper.say(
        f"{len(day.people)} clients in {len(in_currency)} currencies; "
        f"{len(verified)} are verified, {len(day.people) - len(verified)} are not yet."
    )


async def approve(day: Day, person: Person) -> None:
    """Compliance approves a client for a year."""
    person.verified = True
    await day.broker.post(
        Role.COMPLIANCE,
        f"/v1/kyc/{person.id}",
        f"kyc-{person.id}-{day.clock()}",
        decision="approve",
        level=1,
        valid_until=(day.clock() + timedelta(days=365)).isoformat(),
        evidence_ref=f"kyc:{str(person.id)[:8]}",
    )


async def deposits_arrive(day: Day) -> None:
    """Clients pay by card in their own currency or another; Stripe tells of it, more or less."""
    day.stripe.tell("deliver_by_itself")
    for start in range(0, day.size.deposits, WAVE):
        numbers = range(start, min(start + WAVE, day.size.deposits))
        plans = [(number, *_choice(day)) for number in numbers]
        await day.broker.all(lambda plan: deposit(day, *plan), plans)
        day.pass_time(timedelta(minutes=12))
    await day.calm()
    paid = sum(len(person.deposits) for person in day.people)
    day.paper.stage("Deposits arrive", day.clock())
    day.paper.say(
        f"{day.size.deposits} deposits announced, {paid} paid by card, {day.told['declined']} "
        f"declined, {day.told['abandoned']} abandoned at 3-D Secure."
    )


def _choice(day: Day) -> tuple[Person, str]:
    person = day.chance.choice(day.people)
    other = day.chance.choice(("EUR", "USD", "GBP", "JPY", "KWD"))
    return person, person.currency if day.chance.random() < 0.6 else other  # noqa: PLR2004


async def deposit(day: Day, number: int, person: Person, currency: str) -> None:
    """Announce a deposit through the API, and pay it at Stripe as the cardholder."""
    amount = day.random_amount(currency)
    answer = await day.broker.post(
        Role.CLIENT,
        "/v1/deposits",
        f"deposit-{number}",
        person.id,
        client=str(person.id),
        amount=amount.text(),
        currency=currency,
        provider="stripe",
        merchant_account=MERCHANT,
        method="card",
    )
    reference = answer.get("reference")
    if reference is None:
        # Stripe did not answer in time: whether it has the payment is found out later.
        day.told["unanswered"] += 1
        return
    chance = day.chance.random()
    if chance < 0.02:  # noqa: PLR2004
        outcome = "requires_action"
        day.told["abandoned"] += 1
    elif chance < 0.05:  # noqa: PLR2004
        outcome = "declined"
        day.told["declined"] += 1
    else:
        outcome = "succeeded"
        person.deposits.append({**answer, "amount": amount, "number": number})
    card = f"card-{str(person.id)[-6:]}"
    await day.stripe_tells("pay", intent=reference, outcome=outcome, instrument=card)


async def withdrawals_are_asked_for(day: Day) -> None:
    """Clients ask for money: back to a card, or to their bank. Unverified ones are held."""
    rich = [person for person in day.people if person.deposits]
    asked = [day.chance.choice(rich) for _ in range(day.size.withdrawals)]
    answers = await day.broker.all(lambda plan: withdraw(day, *plan), list(enumerate(asked)))
    made = [answer for answer in answers if answer is not None]
    held = [a for a in made if a["status"] == "held"]
    cancelled = held[: len(held) // 6]
    for answer in cancelled:
        await day.broker.post(
            Role.CLIENT,
            f"/v1/withdrawals/{answer['withdrawal']}/cancel",
            f"cancel-{answer['withdrawal']}",
            ClientId(UUID(answer["client"])),
        )
    await day.calm()
    day.told["withdrawals"] = len(made)
    day.paper.stage("Withdrawals are asked for", day.clock())
    day.paper.say(
        f"{len(made)} asked for, {len(held)} held, {day.told['refused']} refused "
        f"(not enough available), {len(cancelled)} taken back by the client."
    )


async def withdraw(day: Day, number: int, person: Person) -> dict[str, Any] | None:
    """Ask for part of what was paid in."""
    paid = day.chance.choice(person.deposits)
    amount = day.random_amount(person.currency, 5, 120)
    if number % 2:
        route: dict[str, Any] = {"kind": "refund", "deposit": paid["deposit"]}
    else:
        recipient, method = await day.stripe_tells("add_recipient")
        route = {
            "kind": "bank",
            "recipient": recipient,
            "method": method,
            "provider": "stripe",
            "merchant_account": MERCHANT,
            "currency": person.currency,
        }
    try:
        answer = await day.broker.post(
            Role.CLIENT,
            "/v1/withdrawals",
            f"withdrawal-{number}",
            person.id,
            client=str(person.id),
            amount=amount.text(),
            currency=person.currency,
            route=route,
        )
    except Refused as refused:
        if refused.code not in {"insufficient_funds", "charge_not_refundable"}:
            raise
        day.told["refused"] += 1
        return None
    return {**answer, "client": str(person.id), "person": person, "route": route}


async def verification_clears_what_waits(day: Day) -> None:
    """Compliance works through the queue: what was held goes out the moment it is cleared."""
    await day.until(BEGINS + timedelta(hours=8))
    waiting = await day.broker.get(Role.COMPLIANCE, "/v1/withdrawals", status="held", limit=500)
    whose = {item["client"] for item in waiting["items"]}
    people = [person for person in day.people if str(person.id) in whose and not person.verified]
    revoked, approved = people[:2], people[2:]
    await day.broker.all(lambda person: approve(day, person), approved)
    await day.calm()
    day.paper.stage("Verification clears what waits", day.clock())
    day.paper.say(
        f"{len(approved)} clients verified; {len(revoked)} stay unverified, their money stays held."
    )


async def payouts_come_back(day: Day) -> None:
    """Banks pay most payouts out, send some back; a refund fails after it had succeeded."""
    sent = await day.broker.get(Role.FINANCE, "/v1/withdrawals", limit=500)
    outbound = [i for i in sent["items"] if str(i.get("reference") or "").startswith("obp_")]
    refunds = [i for i in sent["items"] if str(i.get("reference") or "").startswith("re_")]
    for item in outbound:
        await day.stripe_tells("post_outbound", payment=item["reference"])
    await day.calm()
    returned, failed = outbound[:3], refunds[:3]
    for item in returned:
        await day.stripe_tells("return_outbound", payment=item["reference"])
    for item in failed:
        await day.stripe_tells("fail_refund", refund=item["reference"])
    await day.calm()
    day.paper.stage("Payouts leave, some come back", day.clock())
    day.paper.say(
        f"{len(outbound)} bank payouts posted, {len(returned)} sent back by the receiving bank; "
        f"{len(refunds)} card refunds, {len(failed)} failed after they had succeeded."
    )
