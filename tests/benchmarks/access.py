"""What its access record costs a read: 64 connections ask for a client's wallets, with and without.

The same house answers at two doors: one writes every call's record durably before it answers, as
the house always does; the other forgets it. Rounds take turns. The callers are another process.

    python -m tests.benchmarks.access [--quick] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from adapters.database.embedded import EmbeddedPostgres
from adapters.database.roles import prepare_embedded
from api.app import opened
from api.house.bootstrap import wall_clock, wire
from api.house.collector import quiet_collector
from api.house.settings import Settings
from api.identity.devtokens import AUDIENCE, ISSUER, DevIssuer
from api.identity.scopes import Role
from api.records.access_log import AccessLog
from api.serve import listening
from clients.client import client_stream, register
from clients.facts import Category
from ledger.decision import Command
from ledger.ids import ClientId, EntityId
from ledger.wallet import open_wallet, wallet
from tests.benchmarks.machine import machine, postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from api.house.bootstrap import House
    from api.records.access import AccessRecord
    from ledger.decision import Decision

    Tell = Callable[[str], None]

ENTITY = EntityId("acme-cy")
CLIENT = ClientId(UUID("66000000-0000-8000-8000-00000000000a"))
PATH = f"/v1/clients/{CLIENT}/wallets"
CONNECTIONS = 64
COST_MAX = 0.25
"""What a record may add to a read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How often both doors take turns, and for how long each."""

    rounds: int
    seconds: float


QUICK = Plan(rounds=8, seconds=1.5)
FULL = Plan(rounds=9, seconds=8)


class Forgetful(AccessLog):
    """What the house is never built with: an access log that writes nothing."""

    async def write(self, record: AccessRecord) -> None:
        return


@dataclass(slots=True)
class Door:
    """One of the doors, and what its rounds showed."""

    url: str
    postmaster: int
    per_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    answers: int = 0

    def measure(self, token: str, seconds: float) -> None:
        """Let the callers ask for so long; our processor time and the server's are the cost."""
        where = urlsplit(self.url)
        command = [sys.executable, "-m", "tests.benchmarks.callers"]
        command += [str(where.hostname), str(where.port), PATH, str(CONNECTIONS), str(seconds)]
        before = time.process_time() + server_cpu_s(self.postmaster)
        done = subprocess.run(command, input=token, capture_output=True, text=True, check=True)
        cpu_s = time.process_time() + server_cpu_s(self.postmaster) - before
        told = json.loads(done.stdout)
        assert not told["refused"], f"{told['refused']} reads were refused"
        self.answers += told["answers"]
        self.per_s.append(told["answers"] / told["seconds"])
        self.cpu_us.append(cpu_s / told["answers"] * 1e6)
        self.p50_ms.append(told["p50_ms"])
        self.p99_ms.append(told["p99_ms"])


def postmaster_of(data: Path) -> int:
    """Read the number of the server's first process."""
    (found,) = data.rglob("postmaster.pid")
    return int(found.read_text("utf-8").splitlines()[0])


def server_cpu_s(postmaster: int) -> float:
    """Add up the processor time of a server: its processes', and that of those that ended."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == postmaster:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == postmaster:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def run(quick: bool, seed: int, tell: Tell = lambda _: None) -> dict[str, Any]:
    """Measure reads with and without their access records, in turns, on one durable server."""
    quiet_collector()  # as `counterfoil up` does
    return {"bench": "access", "quick": quick, **run_plan(QUICK if quick else FULL, tell)}


def run_plan(plan: Plan, tell: Tell) -> dict[str, Any]:
    """Measure as the plan says."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="counterfoil-bench-")))
        tell("starting PostgreSQL")
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        issuer = DevIssuer.at_home(folder)
        settings = Settings(
            entity=ENTITY, home=folder, issuer=ISSUER, audience=AUDIENCE, jwks=issuer.jwks
        )
        house = stack.enter_context(wire(settings, prepare_embedded(server), environ={}))
        house.book.submit(_opening())
        house.runner.catch_up()
        recorded, forgotten = stack.enter_context(_doors(house, postmaster_of(folder / "postgres")))
        token = issuer.mint(Role.OPERATIONS, ENTITY)
        before = house.access.head()
        for number in range(plan.rounds + 1):
            tell(f"round {number} of {plan.rounds}" if number else "warming up")
            for door in (recorded, forgotten):
                door.measure(token, plan.seconds if number else 1)
        for door in (recorded, forgotten):
            for series in (door.per_s, door.cpu_us, door.p50_ms, door.p99_ms):
                del series[0]
        records = house.access.head() - before
        told = report(recorded, forgotten, records)
        return {**told, "postgresql": postgresql(server), "machine": machine(folder)}


@contextlib.contextmanager
def _doors(house: House, postmaster: int) -> Iterator[tuple[Door, Door]]:
    silent = replace(house, access_log=Forgetful(house.access))
    with (
        listening(opened(house), "127.0.0.1", 0) as with_records,
        listening(opened(silent), "127.0.0.1", 0) as without,
    ):
        yield Door(with_records, postmaster), Door(without, postmaster)


def _opening() -> Command:
    def decide(decision: Decision) -> None:
        register(
            decision,
            CLIENT,
            ENTITY,
            residence="CY",
            category=Category.RETAIL,
            account_currency="EUR",
            name_ref="bench:1",
        )
        open_wallet(decision, ENTITY, CLIENT, "EUR")

    names = (client_stream(CLIENT), wallet(ENTITY, CLIENT, "EUR"))
    return Command(decide, by="bench", at=wall_clock(), names=names)


def report(recorded: Door, forgotten: Door, records: int) -> dict[str, Any]:
    """Put what was measured into figures, the peer and ratios.

    The cost is that of a read's processor time, the server's included, and of what the callers get
    done; the median of the rounds, each compared with the round beside it.
    """
    pairs = list(zip(recorded.per_s, forgotten.per_s, strict=True))
    slower = median(without / with_ - 1 for with_, without in pairs)
    cpu = median(a / b - 1 for a, b in zip(recorded.cpu_us, forgotten.cpu_us, strict=True))
    return {
        "figures": {
            "reads_per_s": round(median(recorded.per_s)),
            "p50_ms": round(median(recorded.p50_ms), 1),
            "p99_ms": round(median(recorded.p99_ms), 1),
            "cpu_us": round(median(recorded.cpu_us)),
            "answers": recorded.answers,
            "records": records,
        },
        "peers": {
            "unrecorded_per_s": round(median(forgotten.per_s)),
            "answers": forgotten.answers,
            "p50_ms": round(median(forgotten.p50_ms), 1),
            "p99_ms": round(median(forgotten.p99_ms), 1),
            "cpu_us": round(median(forgotten.cpu_us)),
        },
        "ratios": {
            "cost": round(slower, 3),
            "cost_cpu": round(cpu, 3),
            "cost_max": COST_MAX,
        },
        "rounds": {
            "reads_per_s": [round(each) for each in recorded.per_s],
            "unrecorded_per_s": [round(each) for each in forgotten.per_s],
        },
        "connections": CONNECTIONS,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.access")
    parser.add_argument("--quick", action="store_true", help="within 40 seconds")
    parser.add_argument("--json", action="store_true", help="on one line")
    options = parser.parse_args(arguments)
    told = run(options.quick, 1, lambda words: _say(f"{words} …", sys.stderr))
    _say(json.dumps(told, indent=None if options.json else 2), sys.stdout)


def _say(words: str, out: Any) -> None:
    out.write(f"{words}\n")
    out.flush()


if __name__ == "__main__":
    main()
