"""Checkpoints as files written once: `000000001234.checkpoint`, durable when `keep` ends.

Beside them `newest.edge`: what a start needs of the tree, so that it does not read the whole log.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.checkpoints import LogDiffers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIX: Final = ".checkpoint"
EDGE: Final = "newest.edge"
ASIDE: Final = "superseded-"
_DIGITS: Final = 12
_READ_ONLY: Final = 0o444


class CheckpointDirectory:
    """The checkpoints of one log, in a folder outside the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, size: int, note: bytes) -> None:
        """Write a checkpoint; the same one again is welcome.

        Raises:
            LogDiffers: another one of this size is kept.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".") as file:
            file.write(note)
            file.flush()
            os.fchmod(file.fileno(), _READ_ONLY)
            os.fsync(file.fileno())
            # A link is made whole or not at all, and never over a file that is there.
            try:
                os.link(file.name, self._path(size))
            except FileExistsError:
                if self._path(size).read_bytes() != note:
                    raise LogDiffers(f"another checkpoint of {size} is kept") from None
        _sync(self._folder)

    def kept(self) -> Iterator[tuple[int, bytes]]:
        """Walk through the checkpoints by size."""
        for path in sorted(self._folder.glob(f"{'[0-9]' * _DIGITS}{SUFFIX}")):
            yield int(path.stem), path.read_bytes()

    def set_aside(self, sizes: Iterable[int]) -> None:
        """Move checkpoints into a folder `superseded-N` beside those that stay."""
        paths = [self._path(size) for size in sizes]
        if not paths:
            return
        number = 1 + sum(1 for _ in self._folder.glob(f"{ASIDE}*"))
        aside = self._folder / f"{ASIDE}{number}"
        aside.mkdir()
        for path in paths:
            path.rename(aside / path.name)
        _sync(aside)
        _sync(self._folder)

    def aside(self) -> int:
        """Count what was set aside."""
        return sum(1 for _ in self._folder.glob(f"{ASIDE}*/*{SUFFIX}"))

    def keep_edge(self, written: bytes) -> None:
        """Put the edge in the place of the one before. One that is lost costs a walk."""
        path = self._folder / f".{EDGE}"
        path.write_bytes(written)
        path.rename(self._folder / EDGE)

    def edge(self) -> bytes | None:
        """Return the edge that is kept, if any."""
        path = self._folder / EDGE
        return path.read_bytes() if path.exists() else None

    def _path(self, size: int) -> Path:
        return self._folder / f"{size:0{_DIGITS}}{SUFFIX}"


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
