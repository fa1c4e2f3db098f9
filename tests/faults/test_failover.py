"""The first server is destroyed: a synchronous standby has all that anybody was told."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import pytest

from adapters.checkpoints.directory import CheckpointDirectory
from adapters.checkpoints.signer import LocalSigner
from adapters.database.roles import prepare_embedded
from api.house.checkpointer import Checkpointer
from api.house.settings import CheckpointSettings
from ledger.checkpoints import LogDiffers
from ledger.errors import LogUnreadable
from ledger.store import session
from ledger.store.tables import LOGS
from tests.faults.load import (
    ENTITY,
    Writers,
    check_wallets,
    deposit,
    open_book,
    read_log,
    submit_again,
)
from tests.faults.processes import family, kill_all
from tests.faults.replica import standby_of
from tests.faults.test_server_killed import wait_for_acknowledgements

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapters.database.embedded import EmbeddedPostgres

pytestmark = pytest.mark.fault

ACKS = 200
PACE = CheckpointSettings(events=50, seconds=1)
HELD_S = 2.0
ANSWER_S_MAX = 60.0


def checkpointer(dsn: str, folder: Path) -> Checkpointer:
    signer = LocalSigner.of_file(folder / "key")
    store = CheckpointDirectory(folder / "kept")
    return Checkpointer(dsn, LOGS["log"], ENTITY, store, signer, PACE)


def test_a_synchronous_standby_takes_over_without_loss(
    durable_postgres: Callable[..., EmbeddedPostgres], tell: Callable[..., None], tmp_path: Path
) -> None:
    primary = durable_postgres("primary")
    database = prepare_embedded(primary)
    with standby_of(primary, tmp_path / "standby") as standby:
        standby.be_awaited()
        writer, reader = (standby.either(database.dsn(r)) for r in ("book_writer", "audit_reader"))
        book = open_book(writer)
        follower = checkpointer(reader, tmp_path)
        follower.open()
        follower.start()
        writers = Writers(book, 0)
        writers.start()
        wait_for_acknowledgements(writers, ACKS)
        begun = time.monotonic()
        standby.take_over()
        wait_for_acknowledgements(writers, 1)
        recovery_s = time.monotonic() - begun
        wait_for_acknowledgements(writers, ACKS)
        told = writers.stop()
        follower.stop()
        standing = read_log(book)
        lost = [n for n in told.acknowledged if standing.how_often(n) != 1]
        tell(
            acknowledged=len(told.acknowledged),
            unknown=len(told.unknown),
            refused=len(told.refused),
            lost=len(lost),
            duplicated=sum(times > 1 for times in standing.times.values()),
            recovery_s=f"{recovery_s:.2f}",
        )
        assert not lost
        assert all(r.replayed for r in submit_again(book, told.acknowledged).values())
        submit_again(book, [*told.unknown, *told.refused])
        check_wallets(book, read_log(book))
        checkpointer(reader, tmp_path).open()
        book.close()


def test_control_an_asynchronous_standby_loses_and_the_checkpoints_say_so(
    durable_postgres: Callable[..., EmbeddedPostgres], tell: Callable[..., None], tmp_path: Path
) -> None:
    primary = durable_postgres("primary")
    database = prepare_embedded(primary)
    with standby_of(primary, tmp_path / "standby") as standby:
        writer, reader = (standby.either(database.dsn(r)) for r in ("book_writer", "audit_reader"))
        book = open_book(writer)
        follower = checkpointer(reader, tmp_path)
        follower.open()
        submit_again(book, range(10))
        standby.go_deaf()
        acknowledged = submit_again(book, range(10, ACKS))
        follower.start()
        follower.stop()
        standby.take_over()
        with contextlib.closing(open_book(writer)) as fresh:
            standing = read_log(fresh)
        lost = [n for n in acknowledged if not standing.how_often(n)]
        tell(acknowledged=len(acknowledged) + 10, lost=len(lost))
        assert lost, "the drill would not see a loss"
        with pytest.raises(LogUnreadable):  # the book knows what it has seen, and stops
            submit_again(book, [ACKS])
        with pytest.raises(LogDiffers):
            checkpointer(reader, tmp_path).open()
        book.close()


@pytest.mark.parametrize("settles", [True, False], ids=["as it is", "control"])
def test_what_the_standby_lacks_is_no_answer_though_the_first_server_shows_it(
    durable_postgres: Callable[..., EmbeddedPostgres],
    tell: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settles: bool,
) -> None:
    if not settles:
        monkeypatch.setattr(session, "SETTLE", "SELECT 1")
    primary = durable_postgres("primary")
    database = prepare_embedded(primary)
    with standby_of(primary, tmp_path / "standby") as standby, ThreadPoolExecutor() as callers:
        standby.be_awaited()
        book = open_book(standby.either(database.dsn("book_writer")))
        book.submit(deposit(0))
        standby.go_deaf()
        asked = callers.submit(book.submit, deposit(1))
        standby.await_waiting_commit()
        kill_all(family(primary.pid))
        primary.start()
        told = bool(wait([asked], HELD_S if settles else ANSWER_S_MAX).done)
        standby.take_over()
        if settles:
            asked.result(ANSWER_S_MAX)
        with contextlib.closing(open_book(standby.either(database.dsn("book_writer")))) as fresh:
            standing = read_log(fresh)
            assert fresh.verify().ok
        tell(acknowledged=2, lost=int(not standing.how_often(1)))
        assert told is not settles
        assert standing.how_often(1) == int(settles)
        book.close()
