"""What the demo writes down: a few lines a stage, tables, and the proofs."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from api.demo.figures import SEED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from api.house.bootstrap import House


class Paper:
    """Writes for a person, or nothing at all when a program reads."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._proofs: list[dict[str, object]] = []
        self._console = Console(file=sys.stdout, quiet=quiet, highlight=False, width=100)

    def stage(self, title: str, at: datetime) -> None:
        """Begin a stage of the day."""
        self._console.print()
        self._console.rule(f"[bold]{at:%a %d %b %H:%M}  {title}", align="left", characters="─")

    def say(self, text: str) -> None:
        """Write a sentence."""
        self._console.print(f"  {text}", markup=False)

    def table(
        self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], right: int = 1
    ) -> None:
        """Write a table; columns from `right` on are numbers."""
        table = Table(title=title, title_justify="left", box=None, pad_edge=True)
        for index, column in enumerate(columns):
            table.add_column(column, justify="right" if index >= right else "left")
        for row in rows:
            table.add_row(*row)
        self._console.print(table)

    def disputes(self, items: Sequence[dict[str, Any]], now: datetime) -> None:
        """Write the dispute queue, most urgent first."""
        self.table(
            "Dispute queue, by time left",
            ("dispute", "phase", "reason", "amount", "hours left"),
            [
                (
                    str(item["dispute"])[-8:],
                    str(item["phase"]),
                    str(item["reason"]),
                    f"{item['currency']} {item['amount']}",
                    "" if item["due_by"] is None else f"{_hours(item['due_by'], now):.0f}",
                )
                for item in items
            ],
            right=3,
        )

    def proof(self, holds: bool, words: str) -> None:  # noqa: FBT001 - a verdict
        """Write a proof and its outcome."""
        self._proofs.append({"held": holds, "proof": words})
        mark = "[green]✓[/]" if holds else "[bold red]✗[/]"
        self._console.print(f"  {mark} {words}")

    def end(self, house: House, calls: int, seconds: float, *, held: bool) -> None:
        """Say how it ended, and where to look next."""
        verdict = "Every proof held." if held else "A PROOF DID NOT HOLD."
        events = house.book.head()
        if self._quiet:
            figures = {"events": events, "calls": calls, "seconds": round(seconds, 1)}
            told = {"demo": "day", "seed": SEED, "held": held, "proofs": self._proofs} | figures
            sys.stdout.write(json.dumps(told) + "\n")
        self._console.print()
        self.say(f"{verdict} {events:,} events, {calls:,} calls, {seconds:.0f} s, seed {SEED}.")
        self.say("Next: `make up` serves the sandbox; README.md has a tour with curl.")


def _hours(due_by: str, now: datetime) -> float:
    return (datetime.fromisoformat(due_by) - now).total_seconds() / 3600
