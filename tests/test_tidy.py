"""Trip-wires of the house: what a reviewer would otherwise have to say twice.

Every rule is a function from a source to its findings, and every rule has a control that it must
catch. A ceiling is raised in the open, in `RAISED`, with the reason beside it.

`python tests/test_tidy.py` writes docs/errors.md anew (`make fix` does it too).
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from api.door.problems import DOOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = ("ledger", "payments", "compliance", "clients", "risk")
PACKAGES = (*DOMAIN, "projections", "adapters", "api")

FUNCTION_LINES_MAX = 50
MODULE_LINES_MAX = 300
TEST_LINES_MAX = 400
RAISED: dict[str, int] = {
    # Every event of the package in reading order: a list, which has no door to be split at.
    "payments/facts.py": 720,
    # The accounting policy as one table with the entries it stands for: read in one go, or trusted.
    "payments/bookings.py": 340,
}
"""Path → its own ceiling of lines, with a comment that says why."""

PRINTS: frozenset[str] = frozenset()
"""Modules whose work is to write to the terminal."""


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root, its text and its tree."""

    path: str
    text: str

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]

    @property
    def tree(self) -> ast.Module:
        return _parse(self.text)


@cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Read every text file that belongs to the project: path from the root, contents."""
    found = []
    for path in sorted(_walk(ROOT)):
        try:
            found.append((path.relative_to(ROOT).as_posix(), path.read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    return tuple(found)


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        hidden = path.name.startswith(".") and path.name not in {".ci", ".gitignore"}
        if hidden or path.name in {"build", "dist", "var", "__pycache__"}:
            continue
        if path.is_dir() and path.suffix != ".egg-info":
            yield from _walk(path)
        elif path.is_file():
            yield path


def sources() -> Iterator[Source]:
    """Yield every Python file of the project."""
    return (Source(path, text) for path, text in texts() if path.endswith(".py"))


# --- the rules: a source in, its findings out


def long_functions(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{source.path}:{node.lineno} {node.name} has {lines} lines"


def long_modules(source: Source) -> Iterator[str]:
    usual = TEST_LINES_MAX if source.package == "tests" else MODULE_LINES_MAX
    lines = source.text.count("\n")
    if lines > RAISED.get(source.path, usual):
        yield f"{source.path} has {lines} lines"


def prints(source: Source) -> Iterator[str]:
    if source.package == "tests" or source.path in PRINTS:
        return
    yield from _calls(source, {"print"})


CLOCKS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today", "time.time_ns"),
    *("uuid4", "uuid.uuid4", "uuid1", "uuid.uuid1", "os.urandom", "os.getenv", "os.environ.get"),
}


def clocks(source: Source) -> Iterator[str]:
    """No clock, randomness or environment where decisions are made: they are arguments."""
    if source.package not in DOMAIN:
        return
    yield from _calls(source, CLOCKS)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            if names & {"random", "secrets"}:
                yield f"{source.path}:{node.lineno} imports chance"


def floats(source: Source) -> Iterator[str]:
    if source.package in DOMAIN:
        yield from _calls(source, {"float"})


STUBS = re.compile("NotImplemented" + "Error|#.*\\b(?:TO" + "DO|FIX" + "ME|X" + "XX)\\b")


def stubs(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if STUBS.search(line):
            yield f"{source.path}:{number} is not finished: {line.strip()}"


RULES = (long_functions, long_modules, prints, clocks, floats, stubs)

FOREIGN = re.compile(
    "|".join(
        # In pieces, so that this file passes its own rule.
        (
            *(r"pypi\." + "org", "python" + "hosted", r"registry\." + "npmjs"),
            *(r"deb\." + "debian", r"(?<!\w)/(wo" + "rk|ro" + "ot)/", r"(?<!\w)/ho" + "me/[a-z]"),
        )
    )
)


def foreign_words(path: str, text: str) -> Iterator[str]:
    """No registry's host, no path of a machine: the project runs where it is put."""
    for number, line in enumerate(text.splitlines(), 1):
        if FOREIGN.search(line):
            yield f"{path}:{number} {line.strip()[:100]}"


def _calls(source: Source, names: set[str]) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield f"{source.path}:{node.lineno} calls {ast.unparse(node.func)}"


# --- the public codes of refusals, as docs/errors.md lists them


class Code(NamedTuple):
    """A code that a caller can meet, the refusal that carries it, and what it says."""

    code: str
    refusal: str
    says: str


def refusal_codes(found: Iterable[Source]) -> tuple[set[Code], list[str]]:
    """Collect every code, and what is wrong with how codes are given."""
    trees = [source for source in found if source.package in PACKAGES]
    classes = _refusals(trees)
    codes: set[Code] = set()
    wrong = []
    for name, node in classes.items():
        own = [value for value in map(_code_of, node.body) if value]
        if not own:
            wrong.append(f"{name} has no code of its own")
        codes.update(Code(value, name, _first_line(node)) for value in own)
    for source in trees:
        for call in ast.walk(source.tree):
            if not isinstance(call, ast.Call) or ast.unparse(call.func) not in classes:
                continue
            given = next((word.value for word in call.keywords if word.arg == "code"), None)
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                codes.add(Code(given.value, ast.unparse(call.func), _words(call.args[:1])))
            elif given is not None:
                wrong.append(f"{source.path}:{call.lineno} computes its code: write it out")
    owners = defaultdict(set)
    for code in codes:
        owners[code.code].add(code.refusal)
    wrong += [f"{code} is given by {sorted(who)}" for code, who in owners.items() if len(who) > 1]
    return codes, wrong


def _refusals(trees: list[Source]) -> dict[str, ast.ClassDef]:
    every = [
        node for source in trees for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)
    ]
    known = {node.name: node for node in every if node.name == "Refusal"}
    while True:
        more = {
            node.name: node
            for node in every
            if node.name not in known and {ast.unparse(base) for base in node.bases} & set(known)
        }
        if not more:
            return known
        known |= more


def _code_of(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
            return code
        case ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code))):
            return code
        case _:
            return None


def _first_line(node: ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _words(arguments: list[ast.expr]) -> str:
    """Put a message into one line; what is filled in at run time becomes an ellipsis."""
    match arguments:
        case [ast.Constant(value=str(words))]:
            return words
        case [ast.JoinedStr(values=parts)]:
            return "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in parts)
        case _:
            return ""


def errors_page(codes: set[Code]) -> str:
    """Write docs/errors.md: one row per code, every text that it comes with."""
    texts_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for code in codes:
        texts_of[code.code, code.refusal].add(code.says)
    rows = [
        f"| `{code}` | `{refusal}` | {'; '.join(sorted(says - {''}))} |"
        for (code, refusal), says in sorted(texts_of.items())
    ]
    head = (
        "# Codes of refusals\n\n"
        "A refused command changes nothing and answers with a stable `code`. This page is written "
        "from the code by `make fix`; a test holds it equal. The tree of refusals stands in "
        "`ledger/errors.py`, HTTP statuses in `api/door/problems.py`.\n\n"
        "| code | refusal | says |\n|---|---|---|\n"
    )
    doors = [f"| `{code}` | {s.status} | {s.detail} |" for code, s in sorted(DOOR.items())]
    return head + "\n".join(rows) + DOORS + "\n".join(doors) + "\n"


DOORS = (
    "\n\n## Codes of the door\n\nWhat the API refuses before any rule of the books is asked.\n\n"
    "| code | status | says |\n|---|---|---|\n"
)


# --- the rules hold


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_its_rules(rule: Callable[[Source], Iterator[str]]) -> None:
    findings = list(chain.from_iterable(map(rule, sources())))

    assert not findings, "\n".join(findings)


def test_no_file_names_a_registry_or_a_machine() -> None:
    findings = list(chain.from_iterable(foreign_words(path, text) for path, text in texts()))

    assert not findings, "\n".join(findings)


def test_the_migrations_folder_does_not_shadow_the_library() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_every_refusal_has_one_code_and_the_page_lists_it() -> None:
    codes, wrong = refusal_codes(sources())

    assert not wrong, "\n".join(wrong)
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert page == errors_page(codes), "docs/errors.md is out of date: run `make fix`"


# --- the controls: each rule catches what it is for, and lets the rest pass

BAD = (
    (long_functions, "ledger/a.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
    (long_modules, "ledger/a.py", "x = 1\n" * (MODULE_LINES_MAX + 1)),
    (long_modules, "tests/test_a.py", "x = 1\n" * (TEST_LINES_MAX + 1)),
    (prints, "api/a.py", "print(1)\n"),
    (clocks, "ledger/a.py", "import datetime\nx = datetime.datetime.now(tz)\n"),
    (clocks, "payments/a.py", "x = datetime.utcnow()\n"),
    (clocks, "clients/a.py", "x = time.time()\n"),
    (clocks, "risk/a.py", "from random import choice\n"),
    (clocks, "compliance/a.py", "import secrets\n"),
    (floats, "ledger/a.py", "x = float('1.1')\n"),
    (stubs, "api/a.py", "x = 1  # TO" + "DO later\n"),
    (stubs, "tests/test_a.py", "raise NotImplemented" + "Error\n"),
)

GOOD = (
    (long_functions, "ledger/a.py", "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX - 1)),
    (long_modules, "ledger/a.py", "x = 1\n" * MODULE_LINES_MAX),
    (long_modules, "tests/test_a.py", "x = 1\n" * TEST_LINES_MAX),
    (prints, "tests/test_a.py", "print(1)\n"),
    (prints, "api/a.py", "console.print(1)\n"),
    (clocks, "api/a.py", "x = datetime.now(UTC)\n"),
    (clocks, "ledger/a.py", "x = now()\n"),
    (floats, "adapters/a.py", "x = float('1.1')\n"),
    (stubs, "api/a.py", "x = 1\n"),
)


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_a_rule_catches_what_it_is_for(
    rule: Callable[[Source], Iterator[str]], path: str, text: str
) -> None:
    assert list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_a_rule_lets_good_code_pass(
    rule: Callable[[Source], Iterator[str]], path: str, text: str
) -> None:
    assert not list(rule(Source(path, text)))


@pytest.mark.parametrize(
    "line",
    [
        "see https://pypi." + "org/x",
        "cd /wo" + "rk/main",
        "registry." + "npmjs.com",
        "/ho" + "me/me",
    ],
)
def test_a_foreign_word_is_found(line: str) -> None:
    assert list(foreign_words("a.md", f"first\n{line}\n"))
    assert not list(foreign_words("a.md", "a package index, a folder, /v1/work/home\n"))


REFUSALS = "class Refusal(Exception):\n    code = 'refused'\n"


@pytest.mark.parametrize(
    "text",
    [
        "class Late(Refusal):\n    pass\n",
        "class Late(Refusal):\n    code = 'late'\nclass Slow(Late):\n    code = 'late'\n",
        "class Late(Refusal):\n    code = 'late'\nraise Refusal('x', code='late')\n",
        "raise Refusal('x', code=str(1))\n",
    ],
)
def test_a_code_that_is_missing_shared_or_computed_is_found(text: str) -> None:
    _, wrong = refusal_codes([Source("ledger/a.py", REFUSALS + text)])

    assert wrong


def test_a_code_given_where_it_is_raised_changes_the_page() -> None:
    before, _ = refusal_codes([Source("ledger/a.py", REFUSALS)])
    after, wrong = refusal_codes(
        [Source("ledger/a.py", REFUSALS + "raise Refusal(f'no {x} here', code='gone')\n")]
    )

    assert not wrong
    assert errors_page(before) != errors_page(after)
    assert "| `gone` | `Refusal` | no … here |" in errors_page(after)


if __name__ == "__main__":
    (ROOT / "docs" / "errors.md").write_text(errors_page(refusal_codes(sources())[0]), "utf-8")
