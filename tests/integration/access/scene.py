"""Checkpoints of the access log, written as a working house writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from api.house.checkpoint_keys import signer_of
from api.house.checkpointer import Checkpointer, store_of
from ledger.ids import EntityId
from ledger.store.tables import LOGS

if TYPE_CHECKING:
    from api.house.bootstrap import House


def checkpoint_access(house: House) -> None:
    """Sign the access log as it stands."""
    settings, log = house.settings, LOGS["access"]
    dsn = house.database.dsn("audit_reader")
    checkpointer = Checkpointer(
        dsn,
        log,
        EntityId(settings.entity),
        store_of(settings, log.name),
        signer_of(settings, house.secrets),
        settings.checkpoints,
    )
    checkpointer.open()
    with psycopg.connect(dsn, autocommit=True) as connection:
        checkpointer.follow(connection, closing=True)
