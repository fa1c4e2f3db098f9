"""Does the measuring tool measure?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.benchmarks.book import FULL, Measured, Plan, Series, report, run_plan

TINY = Plan(rounds=1, ours_s=0.4, peer_s=1, single_s=0.4, scale=1, verified=True, clients=4)


def measured(commands: int, seconds: float) -> Measured:
    seen = Measured(seconds=seconds, latencies_s=[n / 1_000 for n in range(1, commands + 1)])
    seen.appends[datetime(2026, 3, 2, tzinfo=UTC)] = commands
    return seen


def series(**peers: list[float]) -> Series:
    spread = [measured(100, 1), measured(100, 2), measured(100, 4)]
    return Series(spread, [measured(100, 1)], [measured(100, 1)], [measured(100, 1)], **peers)


@pytest.mark.slow
def test_a_small_run_measures_ours_and_the_peer_and_the_log_verifies() -> None:
    told = run_plan(TINY, 1, lambda _: None)

    assert told["figures"]["movements_per_s"] > 0
    assert told["figures"]["events"] > told["wallets"]
    assert told["figures"]["p99_ms_1000"] >= told["figures"]["p50_ms_1000"] > 0
    assert told["peers"]["tpcb_tps"] > 0
    assert told["postgresql"]["fsync"] == told["postgresql"]["synchronous_commit"] == "on"


def test_a_ratio_is_the_median_of_ours_over_the_median_of_the_peer() -> None:
    told = report(FULL, series(tpcb=[20.0, 25.0, 90.0], one_row=[100.0]), events=1)

    assert told["figures"]["movements_per_s"] == 50
    assert told["peers"]["tpcb_tps"] == 25
    assert told["ratios"] == {"tpcb": 2.0, "one_row": 0.5, "hot_wallet": 2.0}


def test_without_a_peer_the_ratio_is_null_and_the_reason_stands_there() -> None:
    told = report(FULL, series(), events=1)

    assert told["peers"]["tpcb_tps"] is None
    assert told["ratios"]["tpcb"] is None
    assert "pgbench" in told["peers"]["note"]


def test_a_percentile_is_a_latency_that_was_seen() -> None:
    assert measured(100, 1).percentile_ms(99) == 100
    assert measured(100, 1).percentile_ms(50) == 51
    assert measured(1, 1).percentile_ms(99) == 1
