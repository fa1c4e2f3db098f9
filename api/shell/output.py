"""The only module that writes to the terminal: words and tables for people, JSON for programs."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

WIDTH: Final = 110
_ENCODE: Final = msgspec.json.Encoder(decimal_format="string").encode


class _Terminal(Console):
    """Rich ends the program where nobody reads on; that is for whoever called it to say."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class Output:
    """Speaks to a person, or to a program where `json` was asked for; never to both."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        # Rich would turn the `:bank:` of an account's path into a picture.
        self._words = _Terminal(
            file=sys.stdout, quiet=json, highlight=False, emoji=False, soft_wrap=True
        )
        self._tables = _Terminal(
            file=sys.stdout, quiet=json, highlight=False, emoji=False, width=WIDTH
        )
        self._errors = _Terminal(file=sys.stderr, highlight=False, emoji=False, soft_wrap=True)

    def say(self, words: str = "") -> None:
        """Write a line for a person."""
        self._words.print(words, markup=False)

    def check(self, name: str, detail: str, *, held: bool) -> None:
        """Write what a check found, for a person."""
        mark = "[green]✓[/]" if held else "[bold red]✗[/]"
        self._words.print(mark, end=" ")
        self._words.print(f"{name}: {detail}", markup=False)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0
    ) -> None:
        """Write a table for a person; the last `numbers` columns stand on the right."""
        table = Table(box=None, pad_edge=False)
        for index, column in enumerate(columns):
            right = index >= len(columns) - numbers
            table.add_column(column, justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._tables.print(table)

    def data(self, value: Any) -> None:
        """Write one JSON value on a line, for a program."""
        if self.json:
            self.raw(_ENCODE(value).decode() + "\n")

    def raw(self, text: str) -> None:
        """Write text as it is: JSON, an export, a token."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def fail(self, words: str) -> None:
        """Say why it could not be done."""
        self._errors.print(f"counterfoil: {words}", markup=False)

    @contextlib.contextmanager
    def progress(self, words: str) -> Iterator[Callable[[int, int], None]]:
        """Show a bar while something long runs; tell it how much is done, and of how much."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns,
            TimeRemainingColumn(),
            console=self._errors,
            disable=self.json or not self._errors.is_terminal,
            transient=True,
        ) as bars:
            bar = bars.add_task(words, total=None)

            def tell(done: int, total: int) -> None:
                bars.update(bar, completed=done, total=total)

            yield tell
