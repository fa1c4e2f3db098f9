"""A data directory on disk: made once, its secrets, its log, and a server process on it.

server/          owned by the server's user (`nobody` where we are root)
    pgdata/      PostgreSQL's own data directory
secrets/         one generated password per database user, readable by us alone
server.log       what the server said
port             the port it had last: it keeps it as long as it is free
owner.lock       held by the one process that supervises the server
guard.lock       held by the guard that stops the server after that process
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.database.binaries import dropping_to, find_binaries, reachable, server_user
from adapters.database.errors import DataDirectoryRefused, ServerFailed
from adapters.database.postmaster import cluster_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.database.binaries import Binaries

HOST = "127.0.0.1"
SUPERUSER = "postgres"
BUILTIN_LOCALE_SINCE = 17
LOG_BYTES_MAX = 16 * 1024 * 1024
LOG_TAIL_BYTES = 2000

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Cluster:
    """The files of one embedded server."""

    def __init__(self, home: Path, *, durable: bool, binaries: Binaries | None) -> None:
        self.home = home
        self.pgdata = home / "server" / "pgdata"
        self.log = home / "server.log"
        self._durable = durable
        self._asked_binaries = binaries
        self._user = server_user()

    def make_folders(self) -> None:
        """Make the folders that are missing; those that exist keep their permissions.

        Raises:
            DataDirectoryRefused: another user made them, and only that one can use them.
        """
        runner = os.geteuid() if self._user is None else self._user.uid
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.home, os.W_OK | os.X_OK):
            raise DataDirectoryRefused(f"{self.home} is closed to user {os.geteuid()}")
        (self.home / "secrets").mkdir(mode=0o700, exist_ok=True)
        server = self.home / "server"
        if not server.exists():
            server.mkdir(mode=0o700)
            if self._user is not None:
                os.chown(server, self._user.uid, self._user.gid)
        if (owner := server.stat().st_uid) != runner:
            raise DataDirectoryRefused(
                f"{self.home} was made for a server of user {owner}, and it would now run as "
                f"{runner}: start it as the user who made it"
            )

    def password(self, user: str) -> str:
        """Give the user's password: read from the secrets, or generated and kept there."""
        kept = self.home / "secrets" / user
        if not kept.exists():
            fresh = kept.with_name(f".{user}.{secrets.token_hex(4)}")
            _write_private(fresh, secrets.token_urlsafe(24))
            with contextlib.suppress(FileExistsError):
                os.link(fresh, kept)
            fresh.unlink()
        return kept.read_text()

    def launch(self, port: int, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a server process on the directory, which is made first where it is missing.

        Raises:
            BinariesMissing: no PostgreSQL programs were found.
            DataDirectoryRefused: the directory is of another major version.
            ServerFailed: the directory could not be made.
        """
        binaries = reachable(self._asked_binaries or find_binaries(), self._user)
        if not self.pgdata.exists():
            self._make(binaries)
        self._refuse_other_version(binaries)
        self._turn_log()
        chosen = SETTINGS | ({} if self._durable else NOT_DURABLE) | dict(settings)
        chosen |= {"port": str(port), "cluster_name": cluster_name(self.pgdata)}
        words = [word for item in chosen.items() for word in ("-c", "=".join(item))]
        with self._server_folder() as (folder, fds), self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                [binaries.program("postgres"), "-D", f"{folder}/pgdata", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=fds,
                start_new_session=True,
                cwd="/",
                env={"LC_ALL": "C"},
                **dropping_to(self._user),
            )

    def choose_port(self) -> int:
        """Choose the port of last time if it is free, so that clients find the server again."""
        kept = self.home / "port"
        last = int(kept.read_text()) if kept.exists() else 0
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, last))
            except OSError:
                probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        kept.write_text(str(port))
        return port

    def log_size(self) -> int:
        """Say how long the server's log is, to read later what was added."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_tail(self, since: int = 0) -> str:
        """Read the end of what the server has said since the log had that size."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(since, self.log_size() - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace").strip()

    def _make(self, binaries: Binaries) -> None:
        """Run initdb beside the final place: an interrupted one is never taken for a directory."""
        making = self.pgdata.with_name("pgdata.making")
        words = self.pgdata.with_name("password")
        shutil.rmtree(making, ignore_errors=True)
        words.unlink(missing_ok=True)
        _write_private(words, self.password(SUPERUSER))
        if self._user is not None:
            os.chown(words, self._user.uid, self._user.gid)
        try:
            with self._server_folder() as (folder, fds):
                made = subprocess.run(  # noqa: S603
                    [
                        *(binaries.program("initdb"), "-D", f"{folder}/pgdata.making"),
                        *("-U", SUPERUSER, f"--pwfile={folder}/password", "-k"),
                        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                        *(
                            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
                            if binaries.major >= BUILTIN_LOCALE_SINCE
                            else []
                        ),
                        *([] if self._durable else ["--no-sync"]),
                    ],
                    check=False,
                    capture_output=True,
                    text=True,
                    pass_fds=fds,
                    cwd="/",
                    env={"LC_ALL": "C", "TZ": "UTC"},
                    **dropping_to(self._user),
                )
        finally:
            words.unlink()
        if made.returncode:
            raise ServerFailed(f"initdb failed: {made.stderr.strip()}")
        making.rename(self.pgdata)

    def _refuse_other_version(self, binaries: Binaries) -> None:
        major = int((self.pgdata / "PG_VERSION").read_text())
        if major != binaries.major:
            raise DataDirectoryRefused(
                f"{self.home} was made by PostgreSQL {major}, and the programs at hand are "
                f"{binaries.version}: use those of {major}, or move the data with pg_dump"
            )

    def _turn_log(self) -> None:
        if self.log_size() > LOG_BYTES_MAX:
            self.log.rename(self.log.with_suffix(".log.1"))

    @contextlib.contextmanager
    def _server_folder(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name the server's folder as its user reaches it, with the descriptors to hand on.

        Below root's closed home another user walks no path. An open folder is reached by its
        descriptor, so nothing has to be opened to others for it.
        """
        folder = self.home / "server"
        if self._user is None:
            yield str(folder), ()
            return
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{fd}", (fd,)
        finally:
            os.close(fd)


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
