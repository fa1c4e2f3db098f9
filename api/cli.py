"""`counterfoil`: the house from the command line. `python -m api.cli` is the same.

Exit codes: 0 done, and every check held; 1 a check did not hold; 2 it could not be done.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import psycopg

from adapters.database.errors import DatabaseUnavailable
from adapters.secrets.port import SecretsError
from api.house.settings import Settings, SettingsRefused, load
from api.identity.scopes import Role
from api.shell.asking import add_access
from api.shell.authz_words import add_authz
from api.shell.doctor import add_doctor
from api.shell.output import Output
from api.shell.recorded import TYPED, Typed
from api.shell.secret_words import add_secrets
from api.shell.trouble import trouble
from api.shell.up_words import add_up
from ledger.checkpoints import LogDiffers, NoCheckpoint
from ledger.errors import LogUnreachable, LogUnreadable, Refusal
from ledger.store.chain import Broken
from ledger.store.tables import LOGS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Run = Callable[[argparse.Namespace, Settings, Output], int]

FAILED: Final = 2
SEED: Final = 1
LAST_EVENTS: Final = 50
LOG_NAMES: Final = tuple(LOGS)
_TOLD: Final = (
    SettingsRefused,
    DatabaseUnavailable,
    SecretsError,
    LogUnreachable,
    LogUnreadable,
    LogDiffers,
    Broken,
    NoCheckpoint,
)
"""What a person can do something about: said in a line, without a trace."""
BENCHES: Final = {
    "book": "durable movements a second beside pgbench",
    "replay": "events a second to all balances",
    "projections": "events a second into the read models, their lag, and reads",
    "access": "what its access record costs a read, at 64 connections",
    "verify": "events a second verified: chain, entries, forms",
}
READING: Final = ("replay", "verify", "projections")
_POINT: Final = "a position, or a time, which is our recorded time"
_EFFECTIVE: Final = "times are effective (the world's) times instead, as the log knows them now"
_GIVEN: Final = ("home", "entity", "host", "port")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    asked = _parser().parse_args(arguments)
    out = Output(json=asked.json)
    run: Run = asked.run
    try:
        given = {name: getattr(asked, name, None) for name in _GIVEN}
        settings = load(asked.config, os.environ, **given)
        TYPED.set(Typed.of(asked.typed, asked))
        return run(asked, settings, out)
    except Refusal as refused:
        out.fail(f"{refused.detail} [{refused.public_code}]")
        return FAILED
    except _TOLD as refused:
        out.fail(str(refused))
        return FAILED
    except psycopg.Error as error:
        out.fail(f"the database cannot be worked with: {trouble(error)}")
        return FAILED
    except BrokenPipeError:
        # Whoever read us has seen enough. What is still buffered must not complain at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return FAILED


# --- what is asked for; each loads only what it needs


def _token(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.up import token  # noqa: PLC0415

    return token(settings, out, asked.role, client=asked.client, subject=asked.subject)


def _demo(asked: argparse.Namespace, settings: Settings, out: Output) -> int:  # noqa: ARG001
    from api.demo.day import play  # noqa: PLC0415
    from api.demo.sandbox import FULL, SMALL  # noqa: PLC0415
    from api.house.collector import quiet_collector  # noqa: PLC0415

    quiet_collector()
    return play(FULL if asked.full else SMALL, json=out.json)


def _trial_balance(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.books import show_trial_balance  # noqa: PLC0415

    return show_trial_balance(settings, out, at=asked.at, known_at=asked.known_at)


def _explain(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.books import explain  # noqa: PLC0415

    return explain(settings, out, asked.account, asked.currency, asked.last)


def _replay(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.points import replay_to  # noqa: PLC0415
    from api.shell.proofs import replay  # noqa: PLC0415

    if asked.to is not None:
        return replay_to(settings, out, asked.to, effective=asked.effective)
    return replay(settings, out, adopt=asked.adopt)


def _diff(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.points import diff  # noqa: PLC0415

    return diff(
        settings, out, asked.earlier, asked.later, effective=asked.effective, last=asked.last
    )


def _verify(asked: argparse.Namespace, settings: Settings, out: Output) -> int:  # noqa: ARG001
    from api.shell.proofs import verify  # noqa: PLC0415

    return verify(settings, out)


def _checkpoints(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.evidence import show_checkpoints  # noqa: PLC0415

    return show_checkpoints(settings, out, asked.log)


def _prove(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.evidence import prove  # noqa: PLC0415

    return prove(settings, out, asked.position)


def _prove_growth(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.evidence import prove_growth  # noqa: PLC0415

    return prove_growth(settings, out, asked.earlier, asked.later)


def _export(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.export import export  # noqa: PLC0415

    return export(settings, out, asked.format, asked.out, log=asked.log)


def _import(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.house.collector import quiet_collector  # noqa: PLC0415
    from api.shell.importing import RowRefused, import_file  # noqa: PLC0415

    quiet_collector()
    try:
        return import_file(settings, out, asked.file, asked.source)
    except (OSError, RowRefused) as refused:
        out.fail(str(refused))
        return FAILED


def _tail(asked: argparse.Namespace, settings: Settings, out: Output) -> int:
    from api.shell.export import tail  # noqa: PLC0415

    return tail(settings, out, after=asked.after, follow=not asked.no_follow)


def _bench(asked: argparse.Namespace, settings: Settings, out: Output) -> int:  # noqa: ARG001
    from api.shell.bench import bench  # noqa: PLC0415

    events = getattr(asked, "events", None)
    return bench(out, asked.bench, quick=asked.quick, seed=asked.seed, events=events)


# --- the words of the command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="counterfoil", description="The ledger and payments core of a broker."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_house(commands)
    _add_books(commands)
    _add_benches(commands.add_parser("bench", help="measure").add_subparsers(required=True))
    events = commands.add_parser("events", help="the log").add_subparsers(required=True)
    tail = _command(events, "tail", _tail, "events as they are recorded")
    tail.add_argument("--after", type=int, metavar="POSITION", help="begin behind this position")
    tail.add_argument("--no-follow", action="store_true", help="end at the head of the log")
    for add in (add_access, add_authz, add_doctor, add_secrets):
        add(_command, commands)
    return parser


def _add_benches(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, words in BENCHES.items():
        bench = _command(commands, name, _bench, words)
        bench.set_defaults(bench=name)
        bench.add_argument("--quick", action="store_true", help="within 40 seconds")
        bench.add_argument("--seed", type=int, default=SEED)
        if name in READING:
            bench.add_argument("--events", type=int, help="how long a log to fill and to read")


def _add_house(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add_up(_command, commands)
    token = _command(commands, "token", _token, "mint a token of the sandbox")
    token.add_argument("role", choices=[role.value for role in Role])
    token.add_argument("--client", type=UUID, help="the client that a client's token reaches")
    token.add_argument("--subject", default="", help="person:NAME or service:NAME")
    demo = _command(commands, "demo", _demo, "play a broker's day and prove the books")
    demo.add_argument("--full", action="store_true", help="the long day")


def _add_books(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    trial = _command(commands, "trial-balance", _trial_balance, "every account, by currency")
    trial.add_argument("--at", metavar="TIME", help="effective until then")
    trial.add_argument("--known-at", metavar="TIME", help="as it was known then")
    explain = _command(commands, "explain", _explain, "a balance down to its events")
    explain.add_argument("account", help="e.g. client:wallet:<id>, psp:clearing:<account>")
    explain.add_argument("--currency", help="one of them; all by default")
    explain.add_argument("--last", type=int, default=LAST_EVENTS, help="events to show")
    replay = _command(commands, "replay", _replay, "rebuild the read models and compare")
    instead = replay.add_mutually_exclusive_group()
    instead.add_argument("--adopt", action="store_true", help="put the rebuilt ones in place")
    instead.add_argument("--to", metavar="POINT", help=f"show every balance at a point: {_POINT}")
    replay.add_argument("--effective", action="store_true", help=_EFFECTIVE)
    diff = _command(commands, "diff", _diff, "what changed between two points, by account")
    diff.add_argument("earlier", metavar="A", help=_POINT)
    diff.add_argument("later", metavar="B", help="a later one, of the same clock")
    diff.add_argument("--effective", action="store_true", help=_EFFECTIVE)
    diff.add_argument("--last", type=int, default=LAST_EVENTS, help="events of an account to show")
    _command(commands, "verify", _verify, "chains, entries, checkpoints, read models")
    listed = _command(commands, "checkpoints", _checkpoints, "what was signed, and by which key")
    listed.add_argument("--log", choices=LOG_NAMES, default=LOG_NAMES[0])
    prove = _command(commands, "prove", _prove, "that an event stands in the checkpointed log")
    prove.add_argument("position", type=int)
    grown = _command(commands, "prove-growth", _prove_growth, "that one checkpoint extends another")
    grown.add_argument("earlier", type=int, metavar="SIZE")
    grown.add_argument("later", type=int, metavar="SIZE")
    export = _command(commands, "export", _export, "the whole log for other programs")
    export.add_argument("--format", choices=("hledger", "beancount", "csv", "raw"), required=True)
    export.add_argument("--log", choices=LOG_NAMES, default=LOG_NAMES[0], help="raw only")
    export.add_argument("--out", metavar="FILE", help="the terminal by default")
    taken = _command(commands, "import", _import, "entries of another system, .jsonl or .csv")
    taken.add_argument("file", type=Path, metavar="FILE")
    taken.add_argument("--source", help="where they come from; the file's name by default")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Run,
    words: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=words, description=words)
    parser.add_argument("--json", action="store_true", help="for programs: JSON and nothing else")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    parser.add_argument("--home", type=Path, metavar="FOLDER", help="where the books are kept")
    parser.add_argument("--entity", help="the legal entity whose book it is")
    parser.set_defaults(run=run, typed=parser.prog.partition(" ")[2])
    return parser


if __name__ == "__main__":
    sys.exit(main())
