"""The words of `counterfoil up`: what runs in this process, and from where its secrets come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from api.house.settings import Settings
    from api.shell.output import Output


def add_up(
    command: Callable[..., argparse.ArgumentParser],
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    up = command(commands, "up", _up, "run everything in this process")
    up.add_argument("--sandbox", action="store_true", help="with a simulated Stripe and tokens")
    up.add_argument("--vault", action="store_true", help="the sandbox's secrets come from OpenBao")
    up.add_argument(
        "--after-restore",
        action="store_true",
        help="open a log that its checkpoints contradict: you restored the database yourself",
    )
    up.add_argument("--host", help="address to serve at")
    up.add_argument("--port", type=int, help="port to serve at; 0 takes any free one")


def _up(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.house.collector import quiet_collector  # noqa: PLC0415
    from api.shell.up import up  # noqa: PLC0415

    quiet_collector()
    return up(
        settings,
        out,
        sandbox=asked.sandbox,
        vault=asked.vault,
        after_restore=asked.after_restore,
    )
