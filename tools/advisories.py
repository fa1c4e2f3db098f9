"""Asks whether a locked package is known to be unsafe: `python -m tools.advisories`.

Offline first: `docs/advisories.json` is an answer of `pip-audit` that somebody with a network kept
(`--keep FILE`), and counts for exactly the versions in it. Without one, `pip-audit` is asked where
it is installed and its service answers. Without either nothing was checked, and that is said.

Exit codes: 0 nothing known, or not checked (it says which); 1 something is known, or the kept
answer is about another lock.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from tools.sbom import LOCK, ROOT, Pinned, locked

KEPT: Final = ROOT / "docs" / "advisories.json"
ASK_S_MAX: Final = 300
AUDITOR: Final = "pip-audit"
SKIPPED: Final = "advisories: not checked:"


def findings(lock: list[Pinned], answer: dict[str, Any]) -> list[str]:
    """Hold a lock against an answer: what is known, and what the answer does not speak of."""
    said: dict[tuple[str, str], list[dict[str, Any]] | None] = {
        (canonicalize_name(each["name"]), each.get("version")): each.get("vulns")
        for each in answer["dependencies"]
    }
    wrong = []
    for pinned in lock:
        known = said.get((pinned.name, pinned.version))
        if known is None:
            wrong.append(f"{pinned.name} {pinned.version}: the answer does not speak of it")
            continue
        for each in known:
            fixed = ", ".join(each.get("fix_versions") or ()) or "no version yet"
            wrong.append(f"{pinned.name} {pinned.version}: {each['id']}, mended in {fixed}")
    return wrong


def asked() -> dict[str, Any] | str:
    """Ask the advisory service through `pip-audit`; or say why that cannot be done."""
    beside = Path(sys.executable).with_name(AUDITOR)
    program = str(beside) if beside.is_file() else shutil.which(AUDITOR)
    if program is None:
        return f"no {KEPT.name} is kept, and {AUDITOR} is not installed"
    words = [program, "--require-hashes", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603 - the program that was found
            [*words, "--requirement", str(LOCK)],
            capture_output=True, text=True, check=False, timeout=ASK_S_MAX,
        )  # fmt: skip
        answer: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return f"{AUDITOR} got no answer from its service"
    return answer


def kept(path: Path) -> dict[str, Any] | None:
    """Read the answer that is kept, if one is."""
    if not path.is_file():
        return None
    answer: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return answer


def keep(answer: Path, out: Path = KEPT) -> None:
    """Keep an answer of `pip-audit --format json`, with the day on which it was had."""
    said = json.loads(answer.read_text("utf-8"))
    day = datetime.now(UTC).date().isoformat()
    text = json.dumps({"taken_on": day, "dependencies": said["dependencies"]}, indent=1)
    out.write_text(text + "\n", "utf-8")


def report(lock: list[Pinned], path: Path) -> tuple[str, int]:
    """Check a lock: what to say, and the exit code."""
    answer = kept(path)
    source = "asked just now" if answer is None else f"as known on {answer.get('taken_on')}"
    if answer is None:
        had = asked()
        if isinstance(had, str):
            return f"{SKIPPED} {had}\n", 0
        answer = had
    wrong = findings(lock, answer)
    if wrong:
        return "".join(f"{each}\n" for each in wrong), 1
    return f"advisories: none for {len(lock)} packages ({source})\n", 0


def main() -> int:
    """Do what the command line says."""
    if sys.argv[1:2] == ["--keep"]:
        keep(Path(sys.argv[2]))
        return 0
    words, code = report(locked(LOCK.read_text("utf-8")), KEPT)
    sys.stdout.write(words)
    return code


if __name__ == "__main__":
    sys.exit(main())
