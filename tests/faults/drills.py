"""Runs every drill, the long ones too, and prints what came of them: `make drills`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COUNTED = ("acknowledged", "lost", "duplicated", "recovery_s")
KNOWN_TO_ALL = ("seed",)
CONTROL = "test_control_"


class Drilled(NamedTuple):
    """One test: its module, its name as a sentence, what it counted, and how it ended."""

    module: str
    name: str
    seen: dict[str, str]
    ending: str

    @property
    def is_control(self) -> bool:
        return self.name.startswith(CONTROL) or "[control" in self.name

    @property
    def sentence(self) -> str:
        return self.name.removeprefix(CONTROL).removeprefix("test_").replace("_", " ")

    @property
    def counted(self) -> str:
        words = [
            f"{n.replace('_', ' ')} {v}" for n, v in self.seen.items() if n not in KNOWN_TO_ALL
        ]
        return f"{self.sentence}: {', '.join(words) or 'seen to fail'} ({self.ending})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and tell; the exit code is that of the tests."""
    parser = argparse.ArgumentParser(prog="drills", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of the bank test (60)")
    parser.add_argument("--kills", type=int, default=4, help="of the whole house (4)")
    parser.add_argument("--seed", type=int, default=20_261_123)
    parser.add_argument("--only", default="", help="drills whose name holds this, as pytest's -k")
    asked = parser.parse_args(arguments)
    told = {
        "COUNTERFOIL_DRILLS": "1",
        "COUNTERFOIL_DRILL_SECONDS": str(asked.seconds),
        "COUNTERFOIL_DRILL_KILLS": str(asked.kills),
        "COUNTERFOIL_DRILL_SEED": str(asked.seed),
    }
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE)]
        command += ["-m", "fault or drill", f"--junitxml={report}", "-o", "junit_family=xunit1"]
        command += ["-k", asked.only] if asked.only else []
        ended = subprocess.run(command, cwd=ROOT, env=os.environ | told, check=False).returncode
        if report.exists():
            show(list(read(report)))
    return ended


def read(report: Path) -> Iterator[Drilled]:
    """Read pytest's report of a run that we made ourselves."""
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        seen = {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}
        endings = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        module = case.attrib["classname"].rpartition(".")[2]
        yield Drilled(module, case.attrib["name"], seen, endings[0] if endings else "held")


def show(drilled: Sequence[Drilled]) -> None:
    """Print one row for each drill; the controls of a module stand in its first row."""
    table = Table("drill", "ended", *(name.replace("_", " ") for name in COUNTED), "control")
    table.box = box.SIMPLE
    controls: dict[str, list[str]] = {}
    for each in drilled:
        if each.is_control:
            controls.setdefault(each.module, []).append(each.counted)
    for each in drilled:
        if each.is_control or (not each.seen and each.ending == "held"):
            continue
        counted = [each.seen.get(name, "") for name in COUNTED]
        table.add_row(
            *map(
                escape,
                (each.sentence, each.ending, *counted, "\n".join(controls.pop(each.module, []))),
            )
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


if __name__ == "__main__":
    sys.exit(main())
