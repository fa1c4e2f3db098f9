"""Checkpoints while the house works, after a restore, and as proofs for strangers."""

from __future__ import annotations

import ast
import base64
import json
import sys
from typing import TYPE_CHECKING

import pytest

from api.house.bootstrap import wire, working
from api.house.checkpointer import LOG as JOURNAL
from ledger.checkpoints import LogDiffers
from ledger.store.merkle import Frontier, verify_consistency, verify_inclusion
from tests.integration.tamper.scene import EVERY, TOOL, Scene, chained
from tests.integration.tamper.test_attacks import AT, flipped, put

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def test_a_house_that_closes_leaves_a_checkpoint_of_its_head_and_opens_again(scene: Scene) -> None:
    for _ in range(2):
        with wire(scene.settings, scene.database, environ={}) as house, working(house):
            assert house.book.head() == len(scene.rows)

    assert scene.sizes()[-1] == len(scene.rows)
    assert scene.counterfoil().held
    assert scene.stranger().held


@pytest.mark.parametrize(
    ("attack", "why"),
    [(lambda rows: rows[:-3], "cut"), (lambda rows: chained(flipped(rows)), "rows 6 to 10")],
)
def test_a_log_that_its_checkpoints_contradict_opens_only_after_a_restore(
    scene: Scene, attack: Callable[[list[Any]], list[Any]], why: str
) -> None:
    scene.checkpoint()
    scene.attack(attack)
    sizes = scene.sizes()

    with pytest.raises(LogDiffers, match=why):
        scene.checkpointer().open()
    assert scene.sizes() == sizes
    scene.checkpointer().open(after_restore=True)
    scene.checkpointer().open()

    assert set(scene.sizes()) < set(sizes)
    aside = len(sizes) - len(scene.sizes())
    assert len(list(scene.folder.glob("superseded-1/*.checkpoint"))) == aside
    _, report = scene.ask("verify")
    assert any(f"{aside} set aside by restores" in check["detail"] for check in report["checks"])


@pytest.mark.usefixtures("root_log")
def test_the_command_line_says_why_it_does_not_open(scene: Scene) -> None:
    scene.checkpoint()
    scene.attack(lambda rows: rows[:-3])
    code, words = scene.type("up", "--port", "0")

    assert code == 2
    assert "--after-restore" in words
    assert f"the log ends at {len(scene.rows) - 3}" in words


def test_control_a_log_that_only_grew_opens(scene: Scene) -> None:
    scene.checkpoint()
    scene.house.credit(scene.house.register(3), 700)
    scene.house.write()

    scene.checkpointer().open()


def test_a_start_reads_the_rows_behind_the_newest_checkpoint_only(scene: Scene) -> None:
    scene.checkpoint()
    assert scene.checkpointer().open() == 0
    scene.house.credit(scene.house.register(3), 700)
    scene.house.write()
    behind = len(scene.rows) - scene.sizes()[-1]

    assert 0 < scene.checkpointer().open() == behind
    (scene.folder / "newest.edge").unlink()
    assert scene.checkpointer().open() == len(scene.rows)


def test_a_changed_edge_is_not_believed_and_everything_is_read(scene: Scene) -> None:
    scene.checkpoint()
    edge = scene.folder / "newest.edge"
    edge.write_bytes(edge.read_bytes()[:-1] + b"?")
    assert scene.checkpointer().open() == len(scene.rows)

    scene.attack(lambda rows: chained(flipped(rows)))
    with pytest.raises(LogDiffers, match="rows 6 to 10"):
        scene.checkpointer().open()


def test_an_edge_made_for_a_log_made_anew_is_not_believed(scene: Scene) -> None:
    scene.checkpoint()
    anew, forged = chained(flipped(scene.rows)), Frontier()
    for row in anew:
        forged.add(row.digest)
    scene.attack(lambda _: anew)
    (scene.folder / "newest.edge").write_bytes(forged.before())

    with pytest.raises(LogDiffers, match="rows 6 to 10"):
        scene.checkpointer().open()


def test_a_log_that_is_rewritten_while_it_is_open_is_told_and_not_signed(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.checkpoint()
    head = scene.sizes()[-1]
    follower = scene.checkpointer()
    scene.attack(lambda rows: chained(put(AT, state=rows[AT - 1].state + b" ")(rows)))
    follower.start()
    follower.stop()

    assert scene.sizes()[-1] == head
    assert [record.levelname for record in caplog.records if record.name == JOURNAL.name] == [
        "CRITICAL"
    ]


def test_every_event_is_proved_to_a_stranger(scene: Scene) -> None:
    scene.checkpoint()
    for position in (1, AT, len(scene.rows)):
        code, told = scene.ask("prove", str(position))
        proof = [bytes.fromhex(node) for node in told["proof"]]
        root, digest = bytes.fromhex(told["root"]), scene.rows[position - 1].digest

        assert (code, told["digest"]) == (0, digest.hex())
        assert verify_inclusion(digest, position - 1, told["size"], proof, root)
    refused, words = scene.type("prove", str(len(scene.rows) + 1))
    assert refused == 2
    assert "no checkpoint covers" in words


def test_control_what_was_rewritten_is_not_proved(scene: Scene) -> None:
    scene.checkpoint()
    scene.attack(lambda rows: chained(flipped(rows)))

    code, told = scene.ask("prove", str(AT))

    assert (code, told["held"]) == (1, False)


def test_one_checkpoint_is_proved_to_extend_another(scene: Scene) -> None:
    scene.checkpoint()
    last = scene.sizes()[-1]
    code, told = scene.ask("prove-growth", str(EVERY), str(last))
    proof = [bytes.fromhex(node) for node in told["proof"]]
    roots = bytes.fromhex(told["earlier_root"]), bytes.fromhex(told["root"])

    assert code == 0
    assert verify_consistency(EVERY, last, proof, *roots)
    assert scene.type("prove-growth", str(EVERY), str(last + 1))[0] == 2
    scene.attack(lambda rows: chained(flipped(rows)))
    assert scene.ask("prove-growth", str(EVERY), str(last))[0] == 1


def test_checkpoints_are_listed_with_the_key_that_verifies_them(scene: Scene) -> None:
    assert scene.type("checkpoints")[0] == 2
    scene.checkpoint()
    code, told = scene.ask("checkpoints")

    assert code == 0
    assert [each["size"] for each in told["checkpoints"]] == scene.sizes()
    assert scene.stranger(key=told["key"]).held


def test_a_forged_checkpoint_is_found_by_both(scene: Scene) -> None:
    scene.checkpoint()
    first = scene.folder / f"{EVERY:012}.checkpoint"
    first.chmod(0o644)
    first.write_bytes((scene.folder / f"{2 * EVERY:012}.checkpoint").read_bytes())

    ours, theirs = scene.counterfoil(), scene.stranger()

    assert not ours.held
    assert not theirs.held
    assert f"it is the checkpoint of {2 * EVERY}" in ours.words
    assert f"is the checkpoint of {2 * EVERY}" in theirs.words


# --- the stand-alone file


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row | {"position": float(row["position"])},
        lambda row: row | {"version": True},
        lambda row: row | {"more": 1},
        lambda row: {name: value for name, value in row.items() if name != "digest"},
        lambda row: row | {"state": "*"},
        lambda row: row | {"state": base64.b64encode(b"[" * 100_000).decode()},
        lambda row: row | {"stream": None},
        lambda row: row | {"recorded_us": 2**63},
        lambda row: row | {"name": "\ud800"},
        lambda row: row | {"name": 7},
        lambda row: [row],
    ],
)
def test_a_hostile_dump_is_bad_at_its_row_and_never_a_trace(
    scene: Scene, change: Callable[[dict[str, Any]], object]
) -> None:
    assert scene.stranger(checkpoints=False).held
    dump = scene.home / "dump.jsonl"
    lines = dump.read_text("utf-8").splitlines(keepends=True)
    lines[AT - 1] = json.dumps(change(json.loads(lines[AT - 1]))) + "\n"
    dump.write_text("".join(lines), "utf-8")

    verdict = scene.judged(dump, checkpoints=False)

    assert (verdict.held, verdict.position) == (False, AT)


def test_the_stand_alone_file_leans_on_nothing_of_ours() -> None:
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(TOOL.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }

    assert imported - sys.stdlib_module_names == {"cryptography"}
