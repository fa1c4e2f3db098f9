"""One house to a home: a second one is told who lives there."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from api.house.settings import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK: Final = "house.lock"


@contextlib.contextmanager
def living_in(home: Path) -> Iterator[None]:
    """Hold the home. The kernel lets it go with the process, however that one ends.

    Two houses there would share one server and one folder of checkpoints without knowing it, and
    the first to close would take the server from the other. Commands that only ask are welcome.

    Raises:
        SettingsRefused: another house lives there.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsRefused(
                f"a house is open in {home} already (process {lock.read().strip()}): "
                "close it, or give this one a --home of its own"
            ) from None
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
