from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from adapters.checkpoints.directory import CheckpointDirectory
from adapters.checkpoints.signer import LocalSigner, PublicKey
from ledger.checkpoints import LogDiffers

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkpoint_is_kept_under_its_size_and_read_only(tmp_path: Path) -> None:
    store = CheckpointDirectory(tmp_path / "log")
    store.keep(1234, b"a note\n")
    store.keep(5, b"an older one\n")

    kept = tmp_path / "log" / "000000001234.checkpoint"
    assert kept.read_bytes() == b"a note\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o444
    assert list(store.kept()) == [(5, b"an older one\n"), (1234, b"a note\n")]
    assert {path.suffix for path in (tmp_path / "log").iterdir()} == {".checkpoint"}


def test_the_same_checkpoint_again_is_welcome_and_another_of_its_size_is_not(
    tmp_path: Path,
) -> None:
    store = CheckpointDirectory(tmp_path)
    store.keep(5, b"a note\n")
    store.keep(5, b"a note\n")

    with pytest.raises(LogDiffers):
        store.keep(5, b"another\n")

    assert list(store.kept()) == [(5, b"a note\n")]
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_set_aside_stays_beside_it_for_ever(tmp_path: Path) -> None:
    store = CheckpointDirectory(tmp_path)
    for note in (b"one", b"two"):
        store.keep(5, note)
        store.set_aside([5])
    store.set_aside([])
    store.keep(5, b"three")

    assert list(store.kept()) == [(5, b"three")]
    assert store.aside() == 2
    assert (tmp_path / "superseded-1" / "000000000005.checkpoint").read_bytes() == b"one"
    assert (tmp_path / "superseded-2" / "000000000005.checkpoint").read_bytes() == b"two"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list(CheckpointDirectory(tmp_path / "nowhere").kept()) == []


def test_the_edge_takes_the_place_of_the_one_before_and_is_no_checkpoint(tmp_path: Path) -> None:
    store = CheckpointDirectory(tmp_path)
    assert store.edge() is None
    for edge in (b"an edge", b"the next"):
        store.keep_edge(edge)

    assert store.edge() == b"the next"
    assert [path.name for path in tmp_path.iterdir()] == ["newest.edge"]
    assert list(store.kept()) == []


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "checkpoint.key"
    first, second = LocalSigner.of_file(path), LocalSigner.of_file(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.public == second.public
    assert PublicKey(first.public).verifies(b"words", second.sign(b"words"))
    assert not PublicKey(first.public).verifies(b"other words", second.sign(b"words"))
