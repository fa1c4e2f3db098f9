"""The weekend and Monday: money without a rate, disputes, settlement, and what got lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from api.demo.friday import deposit
from api.demo.sandbox import BEGINS
from api.identity.scopes import Role

if TYPE_CHECKING:
    from api.demo.sandbox import Day

SATURDAY = BEGINS + timedelta(days=1, hours=4)
MONDAY = BEGINS + timedelta(days=3)
TRIES_MAX = 20


async def deposits_wait_for_a_rate(day: Day) -> None:
    """The market is closed: foreign money is booked as received, and waits."""
    await day.until(SATURDAY)
    first = day.size.deposits
    plans = []
    for number in range(first, first + day.size.weekend):
        person = day.chance.choice(day.people)
        currency = person.currency if number % 3 == 0 else ("EUR", "USD")[number % 2]
        plans.append((number, person, currency))
    await day.broker.all(lambda plan: deposit(day, *plan), plans)
    await day.calm()
    waiting = len(day.house.worker.outstanding.unconverted)
    day.paper.stage("Saturday: the market is closed", day.clock())
    day.paper.say(f"{day.size.weekend} deposits, {waiting} of them received and without a rate.")


async def monday_brings_rates(day: Day) -> None:
    """Rates are back: what waited is converted at Monday's rate."""
    waited = len(day.house.worker.outstanding.unconverted)
    await day.until(MONDAY)
    for _ in range(TRIES_MAX):
        day.pass_time(timedelta(minutes=11))
        await day.calm()
        if not day.house.worker.outstanding.unconverted:
            break
        await asyncio.sleep(0.2)
    left = len(day.house.worker.outstanding.unconverted)
    day.paper.stage("Monday: rates are back", day.clock())
    day.paper.say(f"{waited - left} waiting deposits converted, {left} still wait.")


async def cardholders_dispute(day: Day) -> None:
    """Disputes come in with their deadlines; some are won, some lost; one is only an inquiry."""
    paid = [(person, item) for person in day.people for item in person.deposits]
    chosen = day.chance.sample(paid, day.size.disputes)
    due = day.clock() + timedelta(days=9)
    opened: list[dict[str, Any]] = []
    for index, (_, item) in enumerate(chosen):
        charge = (await day.broker.get(Role.FINANCE, f"/v1/deposits/{item['deposit']}"))["charge"]
        if charge is None:
            continue
        opened.append(
            await day.stripe_tells(
                "open_dispute",
                charge=charge,
                inquiry=not opened,
                reason="fraudulent" if index % 2 else "product_not_received",
                due_by=due.isoformat(),
            )
        )
    await day.calm()
    queue = await day.broker.get(Role.CRM, "/v1/disputes", limit=100)
    day.paper.stage("Cardholders dispute", day.clock())
    day.paper.disputes(queue["items"], day.clock())
    for index, found in enumerate(opened[1:]):
        verdict = "lost" if index % 2 else "won"
        await day.stripe_tells("close_dispute", dispute=found["id"], verdict=verdict)
        day.told[verdict] += 1
    await day.calm()
    day.paper.say(f"{day.told['won']} won, {day.told['lost']} lost, 1 inquiry stays open.")


async def stripe_settles(day: Day) -> None:
    """Stripe pays our bank what is left after its fees, line by line."""
    day.pass_time(timedelta(days=3))
    payouts = await day.stripe_tells("settle", early=True)
    for payout in payouts:
        await day.stripe_tells("pay_settlement", payout=payout["id"])
    await day.calm()
    day.paper.stage("Stripe settles to our bank", day.clock())
    words = ", ".join(
        f"{payout['currency'].upper()} {payout['amount'] / 100:,.2f}" for payout in payouts
    )
    day.paper.say(f"{len(payouts)} payments: {words}.")


async def lost_messages_are_found(day: Day) -> None:
    """What no webhook told is read from Stripe's own list, and uncertain calls are looked up."""
    for _ in range(6):
        day.pass_time(timedelta(minutes=11))
        await day.calm()
    see = day.house.worker.outstanding
    day.paper.stage("What got lost is found", day.clock())
    day.paper.say(
        f"{day.told['unanswered']} calls to Stripe had no answer; "
        f"{len(see.payments)} of them still unknown. "
        f"{see.parked} notices wait for a payment that nobody knows."
    )
