"""Watches over a server of ours while the books are open: one that dies is started again."""

from __future__ import annotations

import contextlib
import logging
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from adapters.database.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.database.embedded import EmbeddedPostgres

LOG: Final = logging.getLogger("counterfoil.database")
LOOK_S: Final = 0.25


@contextlib.contextmanager
def kept_alive(server: EmbeddedPostgres) -> Iterator[None]:
    """Start the server again whenever it dies; one that another process owns is that one's care."""
    closing = Event()
    keeper = Thread(target=_keep, args=(server, closing), name="server-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        closing.set()
        keeper.join()


def _keep(server: EmbeddedPostgres, closing: Event) -> None:
    down = False
    while not closing.wait(LOOK_S):
        # A start that failed gives the server up: only we remember that it was ours.
        down = down or server.lost
        if not down:
            continue
        LOG.warning("PostgreSQL in %s has died; it is started again", server.home)
        try:
            server.start()
        except (DatabaseUnavailable, OSError) as failure:
            LOG.error("PostgreSQL does not start: %s", failure)
        else:
            down = False
