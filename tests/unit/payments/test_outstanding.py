"""What is still to be done is folded from the log, whatever happened to whom."""

from __future__ import annotations

from ledger.decision import Event
from ledger.facts import WalletUnfrozen
from ledger.wallet import freeze, open_wallet, unfreeze
from payments import withdrawal as withdrawals
from payments.reactors.outstanding import Outstanding
from tests.support import NOON
from tests.unit.payments.world import CLIENT, ENTITY, OTHER, World

HERE = (ENTITY, CLIENT, "USD")


def outstanding(world: World) -> Outstanding:
    """Fold every fact, as a worker that starts anew does."""
    see = Outstanding()
    for position, told in enumerate(world.told, 1):
        see.see(Event(position, told.stream, 1, told.fact, told.at, "test", None, NOON))
    return see


def frozen_while_waiting() -> World:
    world = World()
    world.verified()
    world.funded("d1", "USD 100.00", "USD")
    asked = world.withdrawal("w1", "USD 60.00")
    world.do(freeze, *HERE, reason="case-7")
    assert not world.judge(asked)
    return world


def test_what_waits_is_judged_again_once_its_wallet_is_no_longer_frozen() -> None:
    world = frozen_while_waiting()
    asked = next(iter(outstanding(world).held))
    before = outstanding(world).rejudge
    world.do(unfreeze, *HERE, reason="case-7")
    see = outstanding(world)
    assert before[CLIENT] < see.rejudge[CLIENT] == len(world.told)
    assert world.judge(asked)


def test_a_wallet_from_which_nothing_waits_asks_for_no_judgement() -> None:
    world = frozen_while_waiting()
    asked = next(iter(outstanding(world).held))
    before = outstanding(world).rejudge
    for client, currency in ((OTHER, "USD"), (CLIENT, "EUR")):
        world.do(open_wallet, ENTITY, client, currency)
        world.do(freeze, ENTITY, client, currency, reason="case-8")
        world.do(unfreeze, ENTITY, client, currency, reason="case-8")
    assert outstanding(world).rejudge == before
    world.do(withdrawals.cancel, asked)
    world.do(unfreeze, *HERE, reason="case-7")
    assert len(world.all(WalletUnfrozen)) == 3
    assert outstanding(world).rejudge == before


def test_a_freeze_alone_asks_for_no_judgement() -> None:
    world = frozen_while_waiting()
    before = outstanding(world).rejudge
    world.do(unfreeze, *HERE, reason="case-7")
    after = outstanding(world).rejudge
    world.do(freeze, *HERE, reason="case-9")
    assert before != after == outstanding(world).rejudge
