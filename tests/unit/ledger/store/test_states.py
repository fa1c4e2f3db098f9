from __future__ import annotations

from ledger.store.states import Known, States
from tests.unit.ledger.store.counter import COUNTER, Total, counter


def known(version: int) -> Known:
    return Known(COUNTER, version, Total(version))


def test_the_least_recently_used_goes_first() -> None:
    states = States(states_max=2)
    a, b, c = (counter(name).id for name in "abc")
    states.merge({a: known(1), b: known(1)})
    assert states.get(a) == known(1)
    states.merge({c: known(1)})
    states.trim()
    assert states.peek(b) is None
    assert states.peek(a) == known(1)
    assert len(states) == 2


def test_looking_without_using_keeps_nothing_alive() -> None:
    states = States(states_max=1)
    a, b = (counter(name).id for name in "ab")
    states.merge({a: known(1), b: known(1)})
    assert states.peek(a) == known(1)
    states.trim()
    assert states.peek(a) is None


def test_everything_can_be_forgotten() -> None:
    states = States()
    states.merge({counter("a").id: known(1)})
    states.clear()
    assert len(states) == 0
