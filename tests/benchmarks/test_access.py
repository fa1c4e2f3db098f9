"""Does the measure of a record's cost measure?"""

from __future__ import annotations

import pytest

from tests.benchmarks.access import Door, Plan, report, run_plan


def door(per_s: list[float], cpu_us: list[float]) -> Door:
    ones = [1.0] * len(per_s)
    return Door("http://127.0.0.1", 1, per_s, cpu_us, ones, ones)


def test_a_cost_is_the_median_of_neighbouring_rounds() -> None:
    told = report(
        door([50, 100, 80], [120, 110, 100]), door([100, 110, 88], [100, 100, 100]), records=1
    )

    assert told["ratios"]["cost"] == pytest.approx(0.1)
    assert told["ratios"]["cost_cpu"] == pytest.approx(0.1)


def test_control_a_door_that_costs_nothing_shows_none() -> None:
    same = door([50, 60], [100, 100])

    assert report(same, same, records=1)["ratios"]["cost"] == 0


@pytest.mark.slow
def test_a_small_run_writes_a_record_for_each_recorded_read_and_none_for_the_others() -> None:
    told = run_plan(Plan(rounds=1, seconds=0.5), lambda _: None)
    reads = told["figures"]["answers"]

    assert reads <= told["figures"]["records"] < reads + told["peers"]["answers"]
