"""The documents say what the code does: figures, paths and links are checked."""

from __future__ import annotations

import ast
import operator
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CELL = re.compile(r"(?<!\\)\|")
FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")
NAMED = re.compile(r"`(?P<path>[\w./-]+)`(?: `(?P<name>[\w.]+)`)?")
QUOTED = re.compile(r"`([\w./-]+)`")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)(?P<path>[^)#\s]+)")
ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
}
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
)


def rows(text: str) -> list[list[str]]:
    """Read the rows of a page's tables, without the head and the headings inside."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    split = [[cell.strip() for cell in CELL.split(line)[1:-1]] for line in lines]
    return [cells for cells in split if cells[-1] not in {"", "where", "test"}]


def constants(body: list[ast.stmt]) -> dict[str, ast.expr | None]:
    """Name what a module defines, with the values it assigns; `Class.field` inside of classes."""
    found: dict[str, ast.expr | None] = {}
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                found[name] = value
            case ast.FunctionDef(name=name):
                found[name] = None
            case ast.ClassDef(name=name, body=inner):
                found[name] = None
                found |= {f"{name}.{field}": value for field, value in constants(inner).items()}
            case _:
                pass
    return found


def figure(value: ast.expr | None) -> float | None:
    """Compute a number, arithmetic on numbers, `Decimal(0)` or `timedelta(days=30)`."""
    match value:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            parts = figure(left), figure(right)
            if parts[0] is not None and parts[1] is not None:
                return float(ARITHMETIC[type(op)](*parts))
        case (
            ast.Call(args=[only], keywords=[])
            | ast.Call(args=[], keywords=[ast.keyword(value=only)])
        ):
            return figure(only)
        case _:
            pass
    return None


def wrong_policies(text: str, root: Path) -> list[str]:
    """Hold each row of the table of policies against the constant that it names."""
    wrong = []
    for setting, default, _, where in rows(text):
        named = NAMED.fullmatch(where)
        if named is None:
            if where != "*not yet*":
                wrong.append(f"{setting}: names no place")
            continue
        path, name = root / named["path"], named["name"]
        if not path.exists():
            wrong.append(f"{setting}: {named['path']} does not exist")
        elif name:
            known = constants(ast.parse(path.read_text("utf-8")).body)
            said, done = FIGURE.search(default), figure(known.get(name))
            if name not in known:
                wrong.append(f"{setting}: {named['path']} has no {name}")
            elif said and done is not None and float(said[0].replace(",", "")) != done:
                wrong.append(f"{setting}: the page says {default}, the code {done}")
    return wrong


def missing_paths(text: str, root: Path) -> list[str]:
    """List the paths in the last two columns of the table of requirements that do not exist."""
    named = [path for row in rows(text) for path in QUOTED.findall(" ".join(row[2:]))]
    return [path for path in named if not (root / path).exists()]


def test_every_policy_is_the_one_in_the_code() -> None:
    wrong = wrong_policies((ROOT / "docs/policies.md").read_text("utf-8"), ROOT)

    assert not wrong, "\n".join(wrong)


def test_every_requirement_names_modules_and_tests_that_exist() -> None:
    text = (ROOT / "docs/requirements.md").read_text("utf-8")

    assert [row[0] for row in rows(text)] == [f"R{number}" for number in range(1, 33)]
    assert not missing_paths(text, ROOT)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    path = ROOT / page
    broken = [
        link["path"]
        for link in LINK.finditer(path.read_text("utf-8"))
        if not (path.parent / link["path"]).exists()
    ]

    assert not broken


@pytest.mark.parametrize(
    ("default", "where"),
    [
        ("11 at most", "`limits.py` `QUEUE_MAX`"),
        ("10 at most", "`limits.py` `QUEUE_MIN`"),
        ("every 3 minutes", "`limits.py` `Patience.events`"),
        ("10 at most", "`elsewhere.py`"),
        ("10 at most", "somewhere"),
    ],
)
def test_a_policy_that_is_not_in_the_code_is_found(
    tmp_path: Path, default: str, where: str
) -> None:
    (tmp_path / "limits.py").write_text(
        "QUEUE_MAX: int = 2 * 5\nclass Patience:\n    events = timedelta(minutes=5)\n", "utf-8"
    )

    assert wrong_policies(f"| queue | {default} | why | {where} |\n", tmp_path)
    assert not wrong_policies("| queue | 10 | why | `limits.py` `QUEUE_MAX` |\n", tmp_path)


def test_a_path_that_does_not_exist_is_found(tmp_path: Path) -> None:
    assert missing_paths("| R1 | words | `gone/` | `gone.py` |\n", tmp_path) == ["gone/", "gone.py"]
