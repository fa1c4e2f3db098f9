"""Root and ordinary users: who runs the server, and what nobody's permissions are left alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.database.binaries import (
    WHEEL_FOLDER,
    WHEEL_PARTS,
    Binaries,
    ServerUser,
    dropping_to,
    find_binaries,
    reachable,
    read_binaries,
    server_user,
)
from adapters.database.embedded import EmbeddedPostgres
from adapters.database.errors import BinariesMissing, DataDirectoryRefused
from tests.integration.database.keeper import KEEPER, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def nobody() -> ServerUser:
    user = server_user()
    assert user is not None
    return user


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user reaches, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def modes_above(path: Path) -> dict[Path, int]:
    return {parent: parent.stat().st_mode for parent in path.parents}


def python_of(user: ServerUser) -> tuple[str, dict[str, str]]:
    """Find a Python that the user can run with our dependencies."""
    environment = {"PYTHONPATH": sysconfig.get_path("purelib")}
    for program in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run(
                [program, "-c", "import adapters, psycopg"],
                check=True,
                capture_output=True,
                cwd=ROOT,
                env=environment,
                **dropping_to(user),
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return program, environment
    pytest.skip("no Python here that an ordinary user can run with our dependencies")


def test_below_a_closed_home_the_server_runs_and_the_home_stays_closed(
    binaries: Binaries, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = modes_above(closed / "home") | modes_above(binaries.folder)

    with EmbeddedPostgres(closed / "home", durable=False, binaries=binaries) as server:
        with psycopg.connect(server.dsn("postgres")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
        runner = owner(server.pid)

    assert modes_above(closed / "home") | modes_above(binaries.folder) == before
    expected = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    assert runner == expected


@as_root
def test_below_a_closed_home_a_path_alone_would_not_do(
    binaries: Binaries, nobody: ServerUser, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "server").mkdir()
    os.chown(closed / "server", nobody.uid, nobody.gid)
    tried = subprocess.run(
        [binaries.program("initdb"), "-D", str(closed / "server" / "pgdata")],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        **dropping_to(nobody),
    )

    assert "Permission denied" in tried.stderr


@as_root
def test_programs_in_a_closed_folder_are_copied_and_the_folder_stays_closed(
    nobody: ServerUser, tmp_path: Path, open_folder: Path
) -> None:
    site = sysconfig.get_path("purelib")
    for part in WHEEL_PARTS:
        shutil.copytree(Path(site) / part, tmp_path / "site" / part, symlinks=True)
    closed = read_binaries(tmp_path / "site" / WHEEL_FOLDER)
    before = modes_above(closed.folder / "postgres")
    copy = reachable(closed, nobody, open_folder / "programs")

    assert copy.folder.is_relative_to(open_folder / "programs")
    assert reachable(closed, nobody, open_folder / "programs") == copy
    assert modes_above(closed.folder / "postgres") == before
    home = tmp_path / "home"
    with EmbeddedPostgres(home, durable=False, binaries=copy) as server:
        assert owner(server.pid) == nobody.uid


@as_root
def test_programs_that_cannot_be_copied_are_refused(
    nobody: ServerUser, tmp_path: Path, open_folder: Path
) -> None:
    shutil.copytree(find_binaries().folder, tmp_path / "bin")

    with pytest.raises(BinariesMissing, match="cannot run the programs"):
        reachable(Binaries(tmp_path / "bin", "18.6"), nobody, open_folder / "programs")


@as_root
def test_a_directory_made_by_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home" / "server").mkdir(parents=True)
    os.chown(tmp_path / "home" / "server", 1, 1)

    with pytest.raises(DataDirectoryRefused, match="made for a server of user 1"):
        EmbeddedPostgres(tmp_path / "home").start()


@as_root
def test_programs_within_reach_are_used_where_they_are(
    nobody: ServerUser, open_folder: Path
) -> None:
    within_reach = reachable(find_binaries(), nobody)
    again = reachable(within_reach, nobody, open_folder / "programs")

    assert again == within_reach
    assert not (open_folder / "programs").exists()


@as_root
def test_an_ordinary_user_keeps_a_server_too(
    binaries: Binaries, nobody: ServerUser, open_folder: Path
) -> None:
    os.chown(open_folder, nobody.uid, nobody.gid)
    with keeper_of(nobody, open_folder / "home", binaries) as keeper:
        assert keeper.stdout is not None
        server_pid, owned = (int(word) for word in keeper.stdout.readline().split())
        runner = owner(server_pid)
        keeper.communicate()

    assert (runner, owned, keeper.returncode) == (nobody.uid, 1, 0)
    assert not Path(f"/proc/{server_pid}").exists()


@as_root
def test_an_ordinary_user_is_told_that_the_directory_is_closed(
    binaries: Binaries, nobody: ServerUser, open_folder: Path
) -> None:
    (open_folder / "home").mkdir(mode=0o700)
    with keeper_of(nobody, open_folder / "home", binaries) as keeper:
        _, complaint = keeper.communicate()

    assert f"home is closed to user {nobody.uid}" in complaint


def keeper_of(user: ServerUser, home: Path, binaries: Binaries) -> subprocess.Popen[str]:
    """Start the keeper as this user."""
    program, environment = python_of(user)
    return subprocess.Popen(
        [program, "-m", KEEPER, str(home), str(reachable(binaries, user).folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        **dropping_to(user),
    )
