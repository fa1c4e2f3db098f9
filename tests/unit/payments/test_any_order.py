"""Whatever the order, however often: the provider's notices give the same books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.wallet import WalletState
from payments import withdrawal as withdrawals
from payments.deposit import DepositState
from payments.dispute import DisputeState
from payments.facts import PayoutReturned
from payments.notices import (
    CaseStatus,
    PaymentStatus,
    PayoutStatus,
    RefundStatus,
    SettlementStatus,
)
from payments.payout import PayoutState
from payments.settlement import SettlementState
from payments.withdrawal import payout_id
from tests.support import NOON
from tests.unit.payments.world import (
    World,
    disputed,
    line,
    outbound,
    paid,
    refunded,
    settled,
    withdrawal_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from payments.notices import Notice

WITHDRAWN_1 = line("txn_w1", "EUR -500.00", "EUR 15.00", at=300)
REINSTATED_1 = line("txn_r1", "EUR 500.00", at=400)
WITHDRAWN_2 = line("txn_w2", "USD -800.00", "USD 15.00", at=301)
WITHDRAWN_4 = line("txn_w4", "USD -330.00", "USD 15.00", at=300)
WITHDRAWN_5 = line("txn_w5", "EUR -200.00", at=310)
REINSTATED_5 = line("txn_r5", "EUR 200.00", at=500)
WITHDRAWN_5B = line("txn_w5b", "EUR -200.00", at=700)
REFUND, OUTBOUND = payout_id(withdrawal_of("w1")), payout_id(withdrawal_of("w2"))
FAILING = payout_id(withdrawal_of("w3"))

OPEN, REVIEW = CaseStatus.NEEDS_RESPONSE, CaseStatus.UNDER_REVIEW
WON, LOST = CaseStatus.WON, CaseStatus.LOST

NOTICES: tuple[Notice, ...] = (
    # A euro payment, settled in pounds; refunds by hand, one of which fails; a dispute won.
    paid("d1", "EUR 1000.00", PaymentStatus.AUTHORISED, at=5),
    paid(
        "d1",
        "EUR 1000.00",
        settlement=line("txn_1", "GBP 840.00", "GBP 12.60", type="charge", category="charge"),
    ),
    refunded("d1", "re_1", "EUR 300.00", at=100),
    refunded("d1", "re_2", "EUR 100.00", RefundStatus.PENDING, at=110),
    refunded("d1", "re_2", "EUR 100.00", RefundStatus.FAILED, at=200),
    disputed("d1", "dp_1", "EUR 500.00", OPEN, WITHDRAWN_1, at=300),
    disputed("d1", "dp_1", "EUR 500.00", WON, WITHDRAWN_1, REINSTATED_1, at=400),
    # A dollar payment, disputed and lost; money goes by a later notice than the case opens.
    paid("d2", "USD 800.00"),
    disputed("d2", "dp_2", "USD 800.00", OPEN, at=300),
    disputed("d2", "dp_2", "USD 800.00", OPEN, WITHDRAWN_2, at=301),
    disputed("d2", "dp_2", "USD 800.00", REVIEW, WITHDRAWN_2, at=350),
    disputed("d2", "dp_2", "USD 800.00", LOST, WITHDRAWN_2, at=500),
    # No decimals: a partial refund of yen, and a declined attempt before the payment.
    paid("d3", "JPY 150000", PaymentStatus.FAILED, at=6),
    paid("d3", "JPY 150000"),
    refunded("d3", "re_3", "JPY 50000", at=120),
    # Three decimals: dinars, lost in another currency; the refund by hand came too.
    paid("d4", "KWD 100.000"),
    disputed("d4", "dp_4", "KWD 100.000", LOST, WITHDRAWN_4, at=500),
    refunded("d4", "re_4", "KWD 33.333", at=90),
    # Won, reopened, won again, lost in the end; into a wallet with three decimals.
    paid("d5", "EUR 200.00"),
    disputed("d5", "dp_5", "EUR 200.00", WON, WITHDRAWN_5, REINSTATED_5, at=500),
    disputed("d5", "dp_5", "EUR 200.00", OPEN, WITHDRAWN_5, REINSTATED_5, at=600),
    disputed("d5", "dp_5", "EUR 200.00", WON, WITHDRAWN_5, REINSTATED_5, at=650),
    disputed("d5", "dp_5", "EUR 200.00", LOST, WITHDRAWN_5, REINSTATED_5, WITHDRAWN_5B, at=700),
    # Announced and not what came: suspense, and refunded from there.
    paid("d6", "EUR 100.00", received=paid("d6", "EUR 90.00").amount),
    refunded("d6", "re_6", "EUR 90.00", at=300),
    # A refund of ours fails after it succeeded; a payout is posted and returned; one fails.
    refunded("d0", "re_w1", "USD 400.00", RefundStatus.PENDING, at=50, payout=REFUND),
    refunded(
        "d0",
        "re_w1",
        "USD 400.00",
        payout=REFUND,
        line=line("txn_p1", "GBP -320.00", at=60),
    ),
    refunded(
        "d0",
        "re_w1",
        "USD 400.00",
        RefundStatus.FAILED,
        at=900,
        payout=REFUND,
        line=line("txn_p1", "GBP -320.00", at=60),
        failure_line=line("txn_p2", "GBP 318.00", at=900),
    ),
    outbound(OUTBOUND, "USD 250.00", PayoutStatus.PROCESSING),
    outbound(OUTBOUND, "USD 250.00", PayoutStatus.POSTED, at=60),
    outbound(OUTBOUND, "USD 250.00", PayoutStatus.RETURNED, at=800),
    outbound(FAILING, "USD 100.00", PayoutStatus.PROCESSING),
    outbound(FAILING, "USD 100.00", PayoutStatus.FAILED, at=70),
    # The provider settles to our bank, and once in vain.
    settled("po_1", "GBP 500.00", SettlementStatus.PAID),
    settled("po_2", "GBP 300.00", SettlementStatus.PAID),
    settled("po_2", "GBP 300.00", SettlementStatus.FAILED, at=400),
)


def before() -> World:
    """What clients and our worker did before the provider tells anything of this day."""
    world = World()
    world.verified()
    world.funded("d0", "USD 1000.00", "USD")
    for name, amount, into in (
        ("d1", "EUR 1000.00", "USD"),
        ("d2", "USD 800.00", "USD"),
        ("d3", "JPY 150000", "USD"),
        ("d4", "KWD 100.000", "USD"),
        ("d5", "EUR 200.00", "KWD"),
        ("d6", "EUR 100.00", "USD"),
    ):
        world.deposit(name, amount, into)
    assert world.paying_out("w1", "USD 400.00", back_to="d0") == REFUND
    assert world.paying_out("w2", "USD 250.00") == OUTBOUND
    assert world.paying_out("w3", "USD 100.00") == FAILING
    return world


def told(notices: Sequence[Notice]) -> World:
    world = before()
    world.tell_all(*notices)
    world.check()
    return world


IN_TIME = told(sorted(NOTICES, key=lambda notice: notice.happened_at))


def ends(world: World) -> dict[str, object]:
    """Where everything stands: states by their stream, without what order may decide."""
    found: dict[str, object] = {}
    for stream, state in world.states.items():
        match state:
            case WalletState():
                found[f"wallet {stream}"] = (
                    state.available,
                    state.held,
                    state.owed,
                    state.contests,
                )
            case DepositState():
                found[f"deposit {stream}"] = (
                    state.status,
                    state.clawed_total,
                    state.refundable,
                    state.refunds,
                    state.settlement and state.settlement.line,
                    sorted(state.disputes),
                )
            case PayoutState():
                found[f"payout {stream}"] = (state.phase, state.lines, state.waits_to_credit)
            case DisputeState():
                found[f"dispute {stream}"] = (
                    state.status,
                    state.seen_at,
                    state.due_by,
                    state.lines,
                    state.withdrawn,
                    {c: minor for c, minor in state.taken.items() if minor},
                )
            case SettlementState():
                found[f"settlement {stream}"] = (
                    (state.paid, state.failed) if not (state.failed) else "failed"
                )
            case _:
                continue
    return found


orders = st.lists(st.sampled_from(NOTICES), max_size=12).flatmap(
    lambda again: st.permutations([*NOTICES, *again])
)
"""Every notice, some of them delivered again, in any order."""


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(orders)
def test_any_order_with_duplicates_gives_the_same_books(order: list[Notice]) -> None:
    world = told(order)
    assert world.balances() == IN_TIME.balances()
    assert ends(world) == ends(IN_TIME)
    assert world.parked == 0


MORNING = [notice for notice in NOTICES if (notice.happened_at - NOON).total_seconds() <= 100]
EVENING = [notice for notice in NOTICES if notice not in MORNING]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.permutations(MORNING), st.permutations(EVENING))
def test_any_order_between_fixed_commands_of_the_client(
    morning: list[Notice], evening: list[Notice]
) -> None:
    def day(first: list[Notice], then: list[Notice]) -> World:
        world = told(first)
        world.withdrawal("noon", "USD 1500.00")
        world.tell_all(*then)
        world.do(withdrawals.cancel, withdrawal_of("noon"))
        world.check()
        return world

    world, in_time = day(morning, evening), day(MORNING, EVENING)
    assert world.balances() == in_time.balances()
    assert ends(world) == ends(in_time)


def test_the_day_in_the_order_of_time_is_what_it_should_be() -> None:
    world = IN_TIME
    assert world.parked == 0
    assert world.balance("payout:in-transit", "USD") == 0
    assert world.balance("client:returned", "USD") == 750_00, "all three payouts came back"
    assert world.balance("client:suspense", "EUR") == 0
    assert world.balance("dispute:contested", "EUR") == 0
    assert world.balance("dispute:contested", "USD") == 0
    assert world.balance("bank:client", "GBP") == 500_00
    assert len(world.all(PayoutReturned)) == 1
    for currency in ("USD", "KWD"):
        purse = world.wallet(currency)
        assert purse.contests == {}
        assert purse.held == 0
        assert not (purse.available and purse.owed)
    # 1,088.80 less the share of 300.00 of 1,000.00; 250.00 never left; yen: 100,000 of 150,000;
    # dinars are all gone.
    yen = world.deposit_state("d3").conversion
    assert yen is not None
    kept_of_yen = yen.bought.minor - round(yen.bought.minor / 3)
    assert world.wallet("USD").available == 762_16 + 250_00 + kept_of_yen
    assert world.wallet("KWD").available == 0


def test_forgetting_one_notice_gives_other_books() -> None:
    """The control. Many notices repeat what later ones say; those that do not are all seen."""
    moving = [n for n in NOTICES if ends(told([m for m in NOTICES if m is not n])) != ends(IN_TIME)]
    assert len(moving) >= len(NOTICES) // 2


def test_taking_delivery_for_time_gives_other_books() -> None:
    """The control of the times: a late notice that were believed would reopen a lost case."""
    (late,) = [n for n in NOTICES if n == disputed("d2", "dp_2", "USD 800.00", OPEN, at=300)]
    believed = disputed("d2", "dp_2", "USD 800.00", OPEN, WITHDRAWN_2, at=9_000)
    assert told([*NOTICES, late]).balances() == IN_TIME.balances()
    assert told([*NOTICES, believed]).balances() != IN_TIME.balances()
