"""Play one seed again and tell what happens: `python -m tests.simulation.world SEED`."""

from __future__ import annotations

import sys

from tests.simulation.world.audit import audit
from tests.simulation.world.simulation import Simulation


def main(seed: int) -> None:
    """Tell every step, then every event of the log, then what the audit says."""

    def tell(words: str) -> None:
        sys.stdout.write(f"{words}\n")

    simulation = Simulation(seed, tell)
    try:
        simulation.run()
    finally:
        for event in simulation.book.events_after(0, 1_000_000):
            tell(f"{event.position:5} {event.at:%d %H:%M:%S} {event.by} {event.fact}")
    audit(simulation)
    tell(f"seed={seed}: {simulation.book.head()} events, {simulation.worker.deaths} deaths, sound")


if __name__ == "__main__":
    main(int(sys.argv[1]))
