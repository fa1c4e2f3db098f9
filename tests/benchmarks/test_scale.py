"""Do the long benchmarks tell what they should? Only the shape of it: nothing here is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from tests.benchmarks import bulk, ingest, scale
from tests.benchmarks.load import Load
from tests.benchmarks.plots import TITLES, draw
from tests.benchmarks.writer import Task, in_turn, race

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TINY = scale.Plan(
    sizes=(5_200,),
    callers=(2, 4),
    wallets=(5, 50),
    rounds=1,
    last_rounds=1,
    seconds=0.2,
    warm_s=0,
    race=in_turn,
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        yield server


def _hush(words: str) -> None:
    del words


def _task(server: EmbeddedPostgres, name: str) -> Task:
    dsn = prepare_embedded(server, name).dsn("book_writer")
    return Task(dsn, seed=1, part=99, callers=2, seconds=0.2, wallets=5, warm_s=0)


@pytest.mark.slow
def test_a_small_run_tells_of_growth_processes_and_callers_and_can_be_drawn(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    told = scale.run(server, tmp_path, 1, _hush, TINY)

    (apart,) = race(_task(server, "scale_small"))
    assert apart["per_s"] > 0
    assert {"cost_5m", "two_processes", "two_processes_hot"} <= told["ratios"].keys()
    assert told["figures"]["memory_mb_peak"] > 0
    assert [point["at"] for point in told["curves"]["events"]] == [5_200]
    assert {name.stem for name in draw(told, tmp_path / "plots")} == TITLES.keys()
    for name in TITLES:
        ET.parse(tmp_path / "plots" / f"{name}.svg")  # noqa: S314 - written by ourselves


@pytest.mark.slow
def test_a_small_import_and_a_few_webhooks_are_measured(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    imported = bulk.run(server, tmp_path, 1, _hush, 2_000)
    assert imported["figures"]["bulk_import_per_s"] > 0

    taken = ingest.run(server, tmp_path, 1, _hush, 1, 0.3)
    assert taken["ratios"]["webhook_ingest"] > 0


def test_loads_of_one_seed_share_clients_and_no_reference() -> None:
    first, again, other = Load(1), Load(1), Load(1, part=1)
    keys = [{load.spread().key for _ in range(50)} for load in (first, again, other)]

    assert keys[0] == keys[1]
    assert not keys[0] & keys[2]
    opened = [next(load.openings()).names for load in (first, other)]
    assert opened[0] == opened[1]


def test_timed_keys_are_beside_each_other() -> None:
    load = Load(1, timed_keys=True)
    keys = [load.spread().key or b"" for _ in range(50)]

    assert len({key[:3] for key in keys}) == 1
    assert len(set(keys)) == 50
