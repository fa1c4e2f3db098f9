"""A full disk: callers are refused in plain words, and work goes on when there is room again."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.keeper import kept_alive
from adapters.database.roles import prepare_embedded
from ledger.errors import Busy
from ledger.store import committer
from tests.faults.disk import fill, small_disk
from tests.faults.load import (
    WRITERS,
    Writers,
    check_wallets,
    deposit,
    open_book,
    read_log,
    submit_again,
)
from tests.faults.test_server_killed import wait_for_acknowledgements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.fault

DISK_MB = {"data": 160, "wal": 48}
"""The cluster takes 70; its write-ahead log, by these settings, 32."""
SMALL = {"max_wal_size": "32MB", "min_wal_size": "32MB"}
ACKS = 100
REFUSALS = WRITERS
FULL_S_MAX = 120.0
SEGMENTS = 8
"""More of the write-ahead log than the full disk can hold."""
USE_UP = "SELECT pg_logical_emit_message(true, 'drill', 'x'); SELECT pg_switch_wal()"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the server's user reaches by its path: the tests' own are closed to it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def server_on(
    disk: Path, tmp_path: Path, part: str, *, kept: bool = True
) -> Iterator[EmbeddedPostgres]:
    """A server that is started again when it dies, with all of it or its WAL on the disk."""
    home = disk / "home" if part == "data" else tmp_path / "home"
    if part == "wal":
        with EmbeddedPostgres(home, settings=SMALL):
            pass
        wal = home / "server" / "pgdata" / "pg_wal"
        subprocess.run(["cp", "-a", str(wal), str(disk / "wal")], check=True)
        shutil.rmtree(wal)
        wal.symlink_to(disk / "wal")
    with (
        EmbeddedPostgres(home, settings=SMALL) as server,
        kept_alive(server) if kept else contextlib.nullcontext(),
    ):
        yield server


@pytest.mark.parametrize("part", ["data", pytest.param("wal", marks=pytest.mark.drill)])
def test_a_full_disk_refuses_and_work_goes_on_when_there_is_room(
    tell: Callable[..., None], tmp_path: Path, open_folder: Path, part: str
) -> None:
    with (
        small_disk(open_folder / "disk", DISK_MB[part]) as disk,
        server_on(disk, tmp_path, part) as server,
    ):
        book = open_book(prepare_embedded(server).dsn("book_writer"))
        writers = Writers(book, 0)
        writers.start()
        wait_for_acknowledgements(writers, ACKS)
        filler = fill(disk)
        if part == "wal":
            use_up_segments(server)
        await_refusals(writers)
        filler.unlink()
        begun = time.monotonic()
        wait_for_acknowledgements(writers, 1)
        recovery_s = time.monotonic() - begun
        wait_for_acknowledgements(writers, ACKS)
        told = writers.stop()
        standing = read_log(book)
        lost = [n for n in told.acknowledged if standing.how_often(n) != 1]
        tell(
            acknowledged=len(told.acknowledged),
            refused=len(told.refused),
            unknown=len(told.unknown),
            lost=len(lost),
            duplicated=sum(times > 1 for times in standing.times.values()),
            recovery_s=f"{recovery_s:.2f}",
        )
        assert not lost
        assert not [n for n in told.refused if standing.how_often(n)]
        submit_again(book, [*told.unknown, *told.refused])
        check_wallets(book, read_log(book))
        book.close()


@pytest.mark.drill
def test_control_a_server_that_nobody_keeps_stays_down_when_there_is_room(
    tell: Callable[..., None],
    tmp_path: Path,
    open_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committer, "RECONNECT_DELAYS_S", (0.0, 1.0, 1.0))
    with (
        small_disk(open_folder / "disk", DISK_MB["wal"]) as disk,
        server_on(disk, tmp_path, "wal", kept=False) as server,
    ):
        book = open_book(prepare_embedded(server).dsn("book_writer"))
        book.submit(deposit(0))
        filler = fill(disk)
        use_up_segments(server)
        deadline = time.monotonic() + FULL_S_MAX
        while not server.lost:
            assert time.monotonic() < deadline, "the server bears a full disk"
            time.sleep(0.05)
        filler.unlink()
        with pytest.raises(Busy):
            book.submit(deposit(1))
        tell(stayed="down")
        server.start()
        book.close()


def use_up_segments(server: EmbeddedPostgres) -> None:
    """Begin one segment after the other, until there is no room for the next."""
    with contextlib.suppress(psycopg.Error), psycopg.connect(server.dsn("postgres")) as connection:
        connection.autocommit = True
        for _ in range(SEGMENTS):
            connection.execute(USE_UP)


def await_refusals(writers: Writers) -> None:
    """Wait until enough callers were told that nothing can be recorded."""
    deadline = time.monotonic() + FULL_S_MAX
    while len(writers.told.refused) + len(writers.told.unknown) < REFUSALS:
        assert time.monotonic() < deadline, "the disk is never full"
        time.sleep(0.05)
