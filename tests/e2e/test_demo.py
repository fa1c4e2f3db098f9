"""The demo itself, on a small day: real processes, real HTTP, every proof at its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from api.demo.day import play
from api.demo.sandbox import Size

if TYPE_CHECKING:
    from pathlib import Path

TINY = Size(clients=16, deposits=60, weekend=12, withdrawals=12, disputes=4)


@pytest.mark.slow
def test_a_small_day_ends_with_every_proof_held(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    code = play(TINY, json=True)
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told["held"]
    assert all(proof["held"] for proof in told["proofs"])
    assert len(told["proofs"]) >= 9
    assert told["events"] > 500
