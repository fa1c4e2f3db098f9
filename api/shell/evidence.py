"""Evidence outside the database: what the checkpoints say, and proofs that strangers can check."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import psycopg

from api.house.checkpoint_keys import trusted_keys
from api.house.checkpointer import kept_in, store_of
from api.shell.opening import books_at
from ledger.checkpoints import Difference, LogDiffers, NoCheckpoint, Trail, origin, verifier_key
from ledger.ids import EntityId
from ledger.store.chain import Broken
from ledger.store.merkle import (
    consistency_ranges,
    inclusion_ranges,
    roots,
    verify_consistency,
    verify_inclusion,
)
from ledger.store.tables import LOGS
from projections.audit import Check
from projections.digests import digests
from projections.log import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Connection

    from api.house.settings import Settings
    from api.shell.output import Output
    from ledger.checkpoints import Checkpoint
    from ledger.store.merkle import Range

_CALLED: Final = {"log": "the log", "access": "the record of access"}


def checkpoint_check(settings: Settings, connection: Connection[Any], log: str) -> Check:
    """Compare a log with every one of its checkpoints."""
    name = f"{_CALLED[log]} is the one of its checkpoints"
    store, keys = store_of(settings, log), trusted_keys(settings)
    if not keys:
        kept = sum(1 for _ in store.kept())
        detail = f"{kept} are there, and no key to verify them" if kept else "none yet"
        return Check(name, held=not kept, detail=detail)
    # The folder is read before the log, which may grow meanwhile and never shrinks.
    checkpoints, strangers = kept_in(store, origin(EntityId(settings.entity), log), *keys)
    trail = Trail(checkpoints)
    try:
        for digest in digests(connection, LOGS[log]):
            trail.add(digest)
        difference = trail.difference()
    except Broken as broken:
        difference = Difference(broken.position, broken.words)
    if difference is not None:
        return Check(name, held=False, detail=difference.words, position=difference.position)
    if strangers:
        size, why = next(iter(strangers.items()))
        return Check(name, held=False, detail=f"the checkpoint of {size}: {why}")
    aside = f", {store.aside()} set aside by restores" if store.aside() else ""
    detail = f"{len(checkpoints)} of them, up to {trail.held}{aside}" if checkpoints else "none yet"
    return Check(name, held=True, detail=detail)


def show_checkpoints(settings: Settings, out: Output, log: str) -> int:
    """List the checkpoints of a log, and the key that verifies them; 1: some are not ours."""
    keys, name = trusted_keys(settings), origin(EntityId(settings.entity), log)
    if not keys:
        raise NoCheckpoint(f"no checkpoint was made in {settings.home} yet")
    checkpoints, strangers = kept_in(store_of(settings, log), name, *keys)
    public, *earlier = [verifier_key(name, key.public) for key in keys]
    told = [{"size": each.size, "root": each.root.hex()} for each in checkpoints]
    out.data({"key": public, "earlier": earlier, "checkpoints": told, "strangers": strangers})
    out.table(("size", "root"), [(str(each.size), each.root.hex()) for each in checkpoints])
    for size, why in strangers.items():
        out.check(f"checkpoint of {size}", why, held=False)
    out.say(f"verify them with {public}")
    for each in earlier:
        out.say(f"and with the earlier {each}")
    return 1 if strangers else 0


def prove(settings: Settings, out: Output, position: int) -> int:
    """Prove that an event stands in the log that the newest checkpoint covers; 1: it does not."""
    covering = [each for each in _checkpoints(settings) if each.size >= position]
    if position < 1 or not covering:
        raise NoCheckpoint(f"no checkpoint covers position {position}")
    checkpoint, index = covering[-1], position - 1
    with _reading(settings) as connection:
        digest = next(digests(connection, LOG, index), b"")
        proof = _roots(connection, inclusion_ranges(index, checkpoint.size))
    held = verify_inclusion(digest, index, checkpoint.size, proof, checkpoint.root)
    return _tell(
        out,
        {
            "position": position,
            "digest": digest.hex(),
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "proof": [node.hex() for node in proof],
            "held": held,
        },
    )


def prove_growth(settings: Settings, out: Output, earlier: int, later: int) -> int:
    """Prove that the log of one checkpoint grew out of that of another; 1: it did not."""
    kept = {each.size: each for each in _checkpoints(settings)}
    missing = [size for size in (earlier, later) if size not in kept]
    if missing or earlier > later:
        raise NoCheckpoint(f"name two checkpoints, the earlier first: {sorted(kept)}")
    with _reading(settings) as connection:
        proof = _roots(connection, consistency_ranges(earlier, later))
    before, after = kept[earlier].root, kept[later].root
    return _tell(
        out,
        {
            "earlier": earlier,
            "earlier_root": before.hex(),
            "size": later,
            "root": after.hex(),
            "proof": [node.hex() for node in proof],
            "held": verify_consistency(earlier, later, proof, before, after),
        },
    )


def _checkpoints(settings: Settings) -> list[Checkpoint]:
    keys, name = trusted_keys(settings), origin(EntityId(settings.entity), LOG.name)
    return kept_in(store_of(settings, LOG.name), name, *keys).checkpoints


@contextlib.contextmanager
def _reading(settings: Settings) -> Iterator[Connection[Any]]:
    with (
        books_at(settings) as database,
        psycopg.connect(database.dsn("audit_reader"), autocommit=True) as connection,
    ):
        yield connection


def _roots(connection: Connection[Any], ranges: Sequence[Range]) -> list[bytes]:
    try:
        return roots(ranges, digests(connection, LOG))
    except ValueError as error:
        raise LogDiffers(f"the log is shorter than its checkpoint: {error}") from error


def _tell(out: Output, proof: dict[str, Any]) -> int:
    out.data(proof)
    for name, value in proof.items():
        lines = value if isinstance(value, list) else [value]
        for line in lines:
            out.say(f"{name:>12}  {line}")
    return 0 if proof["held"] else 1
