"""The words of `counterfoil access`: what may be asked of the access log."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from api.house.settings import Settings
    from api.shell.output import Output


def add_access(
    command: Callable[..., argparse.ArgumentParser],
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    access = command(commands, "access", _access, "who read or changed whose data")
    access.add_argument(
        "what", nargs="?", choices=("show", "export"), default="show", help="show by default"
    )
    access.add_argument("--client", type=UUID, help="whose data: with everything of theirs")
    access.add_argument("--subject", help="who, e.g. person:ann")
    access.add_argument("--from", dest="since", metavar="TIME", help="not before")
    access.add_argument("--to", dest="until", metavar="TIME", help="before")
    access.add_argument("--out", metavar="FILE", help="for an export: FILE.jsonl and FILE.csv")


def _access(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.access import Question, export_access, show_access  # noqa: PLC0415

    question = Question.read(asked.client, asked.subject, asked.since, asked.until)
    if asked.what == "export":
        return export_access(settings, out, question, asked.out)
    return show_access(settings, out, question)
