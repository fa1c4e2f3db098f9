"""The words of `counterfoil authz`: who may do what, as the one reviewed file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from api.house.settings import Settings
    from api.shell.output import Output


def add_authz(
    command: Callable[..., argparse.ArgumentParser],
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Add the commands."""
    authz = command(commands, "authz", _authz, "who may do what: role, route, table, secret")
    authz.add_argument(
        "what",
        nargs="?",
        choices=("matrix", "policies"),
        default="matrix",
        help="the matrix, or the policies for a vault",
    )


def _authz(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell import authz  # noqa: PLC0415

    if asked.what == "policies":
        return authz.show_policies(settings, out)
    return authz.show_matrix(out)
