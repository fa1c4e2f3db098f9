"""What nobody waits for stands still: who watches is told, the books go on, and it passes."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from api.house.bootstrap import open_house, working
from api.house.checkpointer import store_of
from api.house.settings import CheckpointSettings, Settings, SettingsRefused
from api.house.tenancy import living_in
from api.house.upkeep import Part
from api.identity.scopes import Role
from ledger.store.codec import Vocabulary
from tests.faults.processes import ROOT
from tests.integration.api.street import Street, open_street

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.database.roles import Database

pytestmark = pytest.mark.fault

PATIENCE_S = 20.0
PACE = CheckpointSettings(events=1, seconds=1)
HOLD = "import sys, time; from pathlib import Path; from api.house.tenancy import living_in\n"
HOLD += "with living_in(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"


@pytest.fixture
def street(database: Database, tmp_path: Path) -> Iterator[Street]:
    with open_street(database, tmp_path / "home", folding=False, checkpoints=PACE) as street:
        yield street


def awaited(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never comes true"
        time.sleep(0.05)


def degraded(street: Street) -> bool:
    ready = street.http.get("/readyz")
    assert ready.status_code == 200, ready.text
    return bool(ready.json()["degraded"])


def metered(street: Street, part: Part) -> str:
    told = street.http.get("/metrics", headers=street.headers(Role.OPERATOR)).text
    wanted = f'counterfoil_upkeep_failing{{part="{part.value}"}} '
    (line,) = [line for line in told.splitlines() if line.startswith(wanted)]
    return line.removeprefix(wanted)


def test_checkpoints_that_cannot_be_written_are_told_and_written_when_they_can(
    street: Street,
) -> None:
    folder = store_of(street.house.settings, "log")._folder
    with working(street.house):
        awaited(lambda: any(folder.glob("*.checkpoint")))
        assert (degraded(street), metered(street, Part.CHECKPOINTS)) == (False, "0.0")
        aside = folder.rename(folder.with_name("aside"))
        folder.write_text("no folder")
        street.register()
        awaited(lambda: degraded(street))
        assert metered(street, Part.CHECKPOINTS) == "1.0"
        street.register()  # the books go on
        folder.unlink()
        aside.rename(folder)
        awaited(lambda: not degraded(street))
        assert metered(street, Part.CHECKPOINTS) == "0.0"


def test_projections_that_stopped_are_told(street: Street) -> None:
    street.house.runner._vocabulary = Vocabulary(())
    with working(street.house):
        awaited(lambda: degraded(street))
        assert metered(street, Part.PROJECTIONS) == "1.0"
        street.register()


def test_a_log_that_changed_while_it_was_open_makes_the_house_unready(street: Street) -> None:
    folder = store_of(street.house.settings, "log")._folder
    with working(street.house):
        awaited(lambda: any(folder.glob("*.checkpoint")))
        forged = folder / f"{street.house.book.head() + 1:012}.checkpoint"
        forged.write_text("the checkpoint of another log")
        street.register()
        awaited(lambda: street.http.get("/readyz").status_code == 503)
        assert Part.CHECKPOINTS in street.house.upkeep.failing


def test_control_a_house_in_order_is_not_degraded(street: Street) -> None:
    with working(street.house):
        street.register()
        for _ in range(20):
            assert not degraded(street)
            time.sleep(0.05)


def test_a_second_house_in_one_home_is_refused_and_told_who_lives_there(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with living_in(settings.home):
        with pytest.raises(SettingsRefused, match=r"open in .* already \(process \d+\)"):
            open_house(settings).__enter__()
        with living_in(tmp_path / "another"):
            pass
    with living_in(settings.home):
        pass


def test_a_house_that_was_killed_leaves_its_home_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"in\n"
        with pytest.raises(SettingsRefused), living_in(tmp_path):
            pass
        holder.kill()
    with living_in(tmp_path):
        pass


def test_control_without_the_lock_two_houses_live_in_one_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with contextlib.ExitStack() as houses:
        for _ in range(2):
            houses.enter_context(living_in(tmp_path))
