"""Writes checkpoints while the house works, and opens no log that they contradict."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from adapters.checkpoints.directory import CheckpointDirectory
from adapters.secrets.port import SecretsError
from api.house.checkpoint_keys import signer_of, trusted_in
from api.house.upkeep import Part, Upkeep
from ledger.checkpoints import Checkpoint, LogDiffers, NoCheckpoint, Trail, opened, origin, resumed
from ledger.ids import EntityId
from ledger.store.chain import Broken
from ledger.store.dial import dial
from ledger.store.tables import LOGS
from projections.digests import digests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Connection

    from adapters.secrets.keeper import Keeper
    from api.house.settings import CheckpointSettings, Settings
    from ledger.checkpoints import CheckpointStore, Key, Signer
    from ledger.store.dial import Dsn
    from ledger.store.merkle import Frontier
    from ledger.store.tables import Log

LOG: Final = logging.getLogger("counterfoil.checkpoints")
LOOK_S: Final = 1.0
"""How often the log is looked at."""
PARTS: Final = {"log": Part.CHECKPOINTS, "access": Part.ACCESS_CHECKPOINTS}


class Kept(NamedTuple):
    """What a store holds: the checkpoints of our key, and what is wrong with the others."""

    checkpoints: list[Checkpoint]
    strangers: dict[int, str]


def kept_in(store: CheckpointStore, name: str, *keys: Key) -> Kept:
    """Read and verify the checkpoints of a log."""
    kept = Kept([], {})
    for size, note in store.kept():
        try:
            checkpoint = opened(note, name, *keys)
        except NoCheckpoint as error:
            kept.strangers[size] = str(error)
            continue
        if checkpoint.size == size:
            kept.checkpoints.append(checkpoint)
        else:
            kept.strangers[size] = f"it is the checkpoint of {checkpoint.size}"
    return kept


class Checkpointer:
    """Follows one log: a checkpoint every so many events, or after so many seconds."""

    def __init__(
        self,
        dsn: Dsn,
        log: Log,
        entity: EntityId,
        store: CheckpointStore,
        signer: Signer,
        pace: CheckpointSettings,
        upkeep: Upkeep | None = None,
        trusted: Sequence[Key] = (),
    ) -> None:
        """Prepare; nothing is read before `open`.

        Args:
            dsn: where the database is, as the role `audit_reader`.
            upkeep: is told when checkpoints cannot be written, and when they can again.
            trusted: the keys whose checkpoints are believed; the signer's alone where none are
                named.
        """
        self._part, self._upkeep = PARTS[log.name], upkeep or Upkeep()
        self._dsn, self._log, self._origin = dsn, log, origin(entity, log.name)
        self._store, self._signer, self._pace = store, signer, pace
        self._trusted = trusted
        self._frontier = Trail(()).frontier
        self._written = 0
        self._written_at = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"checkpoints-{log.name}")

    def open(self, *, after_restore: bool = False) -> int:
        """Compare the log with its checkpoints: the newest, or where they part all of them.

        Args:
            after_restore: accept the log as it is, and set aside the checkpoints it contradicts.

        Returns:
            How many rows were read to find out.

        Raises:
            LogDiffers: the log is shorter than a checkpoint says, or another one.
        """
        kept = kept_in(self._store, self._origin, *(self._trusted or [self._signer]))
        trail, read = self._walked(kept.checkpoints)
        words = [f"the checkpoint of {size}: {why}" for size, why in kept.strangers.items()]
        if (difference := trail.difference()) is not None:
            words.insert(0, difference.words)
        if words and not after_restore:
            raise LogDiffers(
                f"the log `{self._log.name}` is not the one that was checkpointed ({words[0]});"
                " after a restore that you made yourself, open it with --after-restore"
            )
        if words:
            gone = [each.size for each in kept.checkpoints if each.size > trail.held]
            self._store.set_aside([*gone, *kept.strangers])
            LOG.warning("opened after a restore, from position %s on: %s", trail.held, words)
        self._frontier, self._written = trail.frontier, trail.held
        return read

    def start(self) -> None:
        """Follow the log in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write the last checkpoint, and end."""
        self._stop.set()
        self._thread.join()

    def follow(self, connection: Connection[Any], *, closing: bool = False) -> None:
        """Read what is new, and write the checkpoints that are due."""
        for digest in digests(connection, self._log, self._frontier.size):
            self._frontier.add(digest)
            if self._frontier.size - self._written >= self._pace.events:
                self._write()
        late = time.monotonic() - self._written_at >= self._pace.seconds
        if self._frontier.size > self._written and (late or closing):
            self._write()

    def _walked(self, checkpoints: Sequence[Checkpoint]) -> tuple[Trail, int]:
        """Walk the log from the newest checkpoint on; from the first row if that does not hold."""
        with self._reading() as connection:

            def digest_at(position: int) -> bytes | None:
                return next(digests(connection, self._log, position - 1), None)

            def walk(start: Frontier | None) -> tuple[Trail, int]:
                trail = Trail(checkpoints, start)
                begun = trail.frontier.size
                for digest in digests(connection, self._log, begun):
                    trail.add(digest)
                return trail, trail.frontier.size - begun

            edge = resumed(self._store.edge(), checkpoints, digest_at)
            trail, read = walk(edge)
            if edge is not None and trail.difference() is not None:
                trail, read = walk(None)
        return trail, read

    def _write(self) -> None:
        checkpoint = Checkpoint(self._origin, self._frontier.size, self._frontier.root())
        self._store.keep(checkpoint.size, checkpoint.signed(self._signer))
        self._store.keep_edge(self._frontier.before())
        self._upkeep.works(self._part)
        self._written, self._written_at = checkpoint.size, time.monotonic()

    def _run(self) -> None:
        try:
            while True:
                try:
                    self._follow_on()
                except psycopg.OperationalError:
                    pass  # the database is away: the doors tell of it themselves
                except (OSError, SecretsError):
                    # A full disk or a closed vault may open again; what was read is kept till then.
                    self._upkeep.fails(self._part)
                    LOG.exception("no checkpoint of `%s` can be written", self._log.name)
                if self._stop.wait(LOOK_S):
                    return
        except (Broken, LogDiffers):
            self._upkeep.log_changed(self._part)
            LOG.critical("the log `%s` changed while it was open", self._log.name, exc_info=True)
        except Exception:
            # The books go on without checkpoints; the next start compares all the same.
            self._upkeep.fails(self._part)
            LOG.exception("the checkpoints of `%s` stopped", self._log.name)

    def _follow_on(self) -> None:
        with self._reading() as connection:
            while not self._stop.wait(LOOK_S):
                self.follow(connection)
            self.follow(connection, closing=True)

    def _reading(self) -> Connection[Any]:
        return dial(self._dsn)


def store_of(settings: Settings, log: str) -> CheckpointDirectory:
    """Name the folder of a log's checkpoints."""
    folder = settings.checkpoints.folder or settings.home / "checkpoints"
    return CheckpointDirectory(folder / settings.entity / log)


@contextlib.contextmanager
def checkpointing(
    settings: Settings,
    dsn: Dsn,
    upkeep: Upkeep,
    secrets: Keeper,
    *,
    after_restore: bool = False,
) -> Iterator[None]:
    """Compare both logs with their checkpoints, and write more while the house is open.

    Raises:
        LogDiffers: a log is shorter than a checkpoint says, or another one.
    """
    entity = EntityId(settings.entity)
    followers = [
        Checkpointer(
            dsn,
            log,
            entity,
            store_of(settings, name),
            signer_of(settings, secrets),
            settings.checkpoints,
            upkeep,
            trusted_in(settings, secrets),
        )
        for name, log in LOGS.items()
    ]
    for follower in followers:
        follower.open(after_restore=after_restore)
    for follower in followers:
        follower.start()
    try:
        yield
    finally:
        for follower in followers:
            follower.stop()
