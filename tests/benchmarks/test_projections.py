"""Does the measuring tool measure?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.benchmarks.deposits import FACTS
from tests.benchmarks.following import LAG_MS_MAX, Followed, lags
from tests.benchmarks.projections import CaughtUp, Plan, report, run_plan

TINY = Plan(12_000, (500,), 1, 20, rounds=1, peer_s=1, scale=1, clients=4)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NO_PEER: dict[str, float | None] = {"tpcb_tps": None, "one_row_tps": None}


def followed(per_s: float, lag_p99_ms: float) -> Followed:
    return Followed(int(per_s), 1_000, per_s, 10, 1.0, lag_p99_ms, lag_p99_ms, 30.0)


@pytest.mark.slow
def test_a_small_run_measures_catching_up_following_reads_and_the_peer() -> None:
    told = run_plan(TINY, TINY.events, 1, lambda _: None)

    figures = told["figures"]
    assert figures["events"] > TINY.events - 2 * 2_000 * FACTS
    assert figures["events_per_s"] > 0
    assert told["followed"][0]["events"] > 0
    assert figures["lag_p99_ms"] >= figures["lag_p50_ms"] > 0
    assert figures["as_of_p99_ms"] >= figures["as_of_p50_ms"] > 0
    assert told["peers"]["tpcb_tps"] > 0
    assert told["postgresql"]["fsync"] == told["postgresql"]["synchronous_commit"] == "on"


def test_sustained_is_the_fastest_pace_whose_lag_stayed_within_a_second() -> None:
    seen = [followed(6_000, 100), followed(9_000, LAG_MS_MAX), followed(12_000, LAG_MS_MAX + 1)]
    told = report(TINY, CaughtUp(100, 2.0, 1.0), seen, {}, NO_PEER)

    assert told["figures"]["sustained_per_s"] == 9_000
    assert told["figures"]["lag_p99_ms"] == LAG_MS_MAX
    assert told["figures"]["events_per_s"] == 50


def test_a_pace_that_was_not_followed_sustains_nothing_and_shows_its_lag() -> None:
    told = report(TINY, CaughtUp(1, 1.0, 1.0), [followed(6_000, 5_000)], {}, NO_PEER)

    assert told["figures"]["sustained_per_s"] == 0
    assert told["figures"]["lag_p99_ms"] == 5_000


def test_without_a_peer_the_ratio_is_null_and_the_reason_stands_there() -> None:
    told = report(TINY, CaughtUp(1, 1.0, 1.0), [followed(1, 1)], {}, NO_PEER)

    assert told["ratios"] == {"tpcb": None, "sustained_tpcb": None}
    assert "pgbench" in told["peers"]["note"]


def test_the_lag_of_an_event_ends_with_the_first_batch_that_holds_it() -> None:
    recorded = [NOON, NOON + timedelta(milliseconds=5), NOON + timedelta(milliseconds=10)]
    seen = [
        (7, NOON),
        (9, NOON + timedelta(milliseconds=20)),
        (10, NOON + timedelta(milliseconds=30)),
    ]

    assert list(lags(recorded, 7, seen)) == [20, 15, 20]
