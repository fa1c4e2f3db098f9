"""The words of `counterfoil secrets`: what may be asked of the secrets, and done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from api.house.settings import Settings
    from api.shell.output import Output


def add_secrets(
    command: Callable[..., argparse.ArgumentParser],
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the commands."""
    words = "how old every secret is, and another in its place"
    secrets = command(commands, "secrets", _secrets, words)
    secrets.add_argument(
        "what", nargs="?", choices=("status", "rotate", "retire"), default="status"
    )
    secrets.add_argument("which", nargs="?", help="CLASS/NAME, as `secrets status` lists them")


def _secrets(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.house.settings import SettingsRefused  # noqa: PLC0415
    from api.shell import secrets  # noqa: PLC0415

    if asked.what == "status":
        return secrets.show_status(settings, out)
    if asked.which is None:
        raise SettingsRefused(f"secrets {asked.what}: name one, as `counterfoil secrets` lists it")
    if asked.what == "rotate":
        return secrets.rotate(settings, out, asked.which)
    return secrets.retire(settings, out, asked.which)
