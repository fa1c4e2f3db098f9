"""Do the benchmarks that read a log measure, and do they notice a log that they did not read?"""

from __future__ import annotations

import pytest

from tests.benchmarks import replay, verify
from tests.benchmarks.reading import FULL, QUICK, Plan, Series, peers, planned, report

TINY = Plan(events=20_000, rounds=1, peer_s=1, scale=1, clients=4)


@pytest.mark.slow
@pytest.mark.parametrize("bench", [replay, verify])
def test_a_small_log_is_read_beside_the_peer(bench: object) -> None:
    told = bench.run_plan(TINY, 1, lambda _: None)  # type: ignore[attr-defined]

    assert told["figures"]["events_per_s"] > 0
    assert told["figures"]["events"] >= TINY.events // 2
    assert told["figures"]["balances"] > 1
    assert told["peers"]["tpcb_tps"] > 0
    assert told["postgresql"]["fsync"] == "on"


def test_a_rate_is_told_by_our_core_by_both_and_by_the_clock() -> None:
    series = Series(own_s=[1.0, 2.0, 9.0], server_s=[2.0, 2.0, 2.0], wall_s=[5.0, 8.0, 9.0])

    told = report(series, events=1_000)

    assert told["events_per_s"] == 500
    assert told["events_per_s_with_server"] == 250
    assert told["events_per_s_wall"] == 125


def test_without_a_peer_the_ratio_is_null_and_the_reason_stands_there() -> None:
    told = peers(FULL, Series(own_s=[1.0], server_s=[0.0], wall_s=[1.0]), events=1)

    assert told["ratios"] == {"tpcb": None, "one_row": None}
    assert "pgbench" in told["peers"]["note"]


def test_a_log_of_another_length_is_read_as_often() -> None:
    assert planned(quick=True, events=None) == QUICK
    assert planned(quick=False, events=7) == Plan(7, FULL.rounds, FULL.peer_s, FULL.scale)
