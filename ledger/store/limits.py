"""Every limit of the book, by name."""

from __future__ import annotations

from typing import Final

QUEUE_MAX: Final = 10_000
"""Commands that may wait for the book. One more is refused with `Busy`."""
RETRY_AFTER_S: Final = 1
"""When a refused caller may come back."""
BATCH_MAX: Final = 512
"""Commands in one append. Larger batches share more of the fsync and wait longer for it."""
CHUNK_COMMANDS: Final = 32
"""Commands whose rows are sent together, so that the server works while we decide the next."""

FACTS_MAX: Final = 1_000
"""Facts of one command."""
STATE_BYTES_MAX: Final = 262_144
"""One stored fact. A larger one belongs in `inbox`, and its digest in the fact."""
NAMES_MAX: Final = 1_000
"""Streams that a command may name."""
TEXT_MAX: Final = 128
"""Characters of an actor, a source or a fingerprint."""
BODY_BYTES_MAX: Final = 1_048_576
"""One sealed raw message."""

STATES_MAX: Final = 100_000
"""Stream states kept in memory."""
CATCH_UP_MAX: Final = 10_000
"""Events of others that are folded under the lock. Behind by more, the cache starts anew."""
REHEARSALS_MAX: Final = 3
"""How often a command that meets unnamed streams is rehearsed before it gets a round alone."""
SNAPSHOT_EVERY: Final = 100
"""Events of a stream between two snapshots."""

LOSSES_MAX: Final = 3
"""Connections that one batch may lose before its commands are tried one by one."""
RECONNECT_DELAYS_S: Final = (0.0, 0.05, 0.1, 0.2, *[0.5] * 31)
"""How long the book looks for its database before it answers that it cannot know: 16 s.

No pause is long: a server that is back is found within half a second."""
RECONNECT_S_MAX: Final = 60
"""The same, for a host that is silent and makes each look last until the connection times out."""
AILING_S: Final = 5.0
"""How long the book calls itself ailing after an append that the database would not take. Then
callers may come again: only they can find out that it is well."""
STUCK_S: Final = 10.0
"""An append that is on its way for longer is stuck."""
LOCK_TIMEOUT_MS: Final = 10_000
IDLE_IN_TRANSACTION_MS: Final = 5_000
STATEMENT_TIMEOUT_MS: Final = 30_000
POLL_S: Final = 0.25
"""A follower looks at the head at least this often, notified or not."""
READERS_MAX: Final = 16
"""Connections that read, beside the one that appends."""
PAGE: Final = 1_000
"""Rows that a walk through the log reads at a time."""
