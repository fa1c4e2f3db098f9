"""Python's garbage collector, set for a process that keeps many small objects for a short while."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 50)
"""New objects before the youngest generation is walked, and how often that makes the older ones
due. Python's own (700, 10, 10) walk the facts of an append of 512 commands dozens of times while
all of them are alive, and every cached state with them: a fifth of all CPU, and pauses."""


def quiet_collector() -> None:
    """Walk living objects seldom, and what is loaded by now never again.

    Once in a process, when it has loaded what it needs. Reference counting frees nearly all that we
    make; the collector is for cycles, and those it still finds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
