"""Whatever we talk to has its page: what it may, where it is, and what was tested against what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "docs" / "integrations"
HEADINGS = [
    "Licence",
    "Rights",
    "Hosts and ports",
    "Sandbox",
    "Limits",
    "Quirks",
    "What was tested against what",
]
PAGE_OF = {
    "adapters/database": "postgresql",
    "adapters/secrets": "openbao",
    "adapters/rates/ecb.py": "ecb-rates",
}
"""Where a page is not called as its adapter is."""
OURS = {
    *("adapters/checkpoints", "adapters/rates/broker.py", "adapters/rates/market.py"),
    "adapters/rates/sandbox.py",
}
"""Adapters that talk to nobody outside: a folder, a price of our own, a calendar, a table."""
KINDS = ("psp", "rates", "platforms", "kyc", "banks", "crm", "screening")
"""Folders that hold an adapter each beside the others."""


def adapters(root: Path) -> list[str]:
    """Name every adapter: a folder, or a module in the folder of its kind."""
    folders = [each for each in (root / "adapters").iterdir() if (each / "__init__.py").exists()]
    found = [each for each in folders if each.name not in KINDS]
    for kind in KINDS:
        inside = root.glob(f"adapters/{kind}/*")
        found += [each for each in inside if not each.name.startswith("__")]
    return sorted(each.relative_to(root).as_posix() for each in found)


def without_page(root: Path) -> list[str]:
    """Name the adapters whose page is missing or has other headings."""
    wrong = []
    for adapter in adapters(root):
        if adapter in OURS:
            continue
        name = PAGE_OF.get(adapter, Path(adapter).stem)
        page = root / "docs" / "integrations" / f"{name}.md"
        if not page.is_file():
            wrong.append(f"{adapter}: no {page.name}")
        elif re.findall(r"(?m)^## (.+)$", page.read_text("utf-8")) != HEADINGS:
            wrong.append(f"{adapter}: {page.name} has other headings")
    return wrong


def test_every_adapter_has_its_page_with_the_fixed_headings() -> None:
    assert adapters(ROOT)
    assert not without_page(ROOT)


def test_every_page_has_its_adapter_and_says_something_under_each_heading() -> None:
    named = {PAGE_OF.get(each, Path(each).stem) for each in adapters(ROOT) if each not in OURS}

    assert {page.stem for page in PAGES.glob("*.md")} == named
    for page in PAGES.glob("*.md"):
        parts = re.split(r"(?m)^## .+$", page.read_text("utf-8"))
        assert all(part.strip() for part in parts), page.name


@pytest.mark.parametrize("name", ["adapters/psp/other", "adapters/kyc/other", "adapters/mail"])
def test_an_adapter_without_a_page_is_found(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()

    assert without_page(tmp_path)


def test_a_page_with_a_heading_too_few_is_found(tmp_path: Path) -> None:
    (tmp_path / "adapters/psp/other").mkdir(parents=True)
    page = tmp_path / "docs/integrations/other.md"
    page.parent.mkdir(parents=True)
    page.write_text("".join(f"## {each}\n" for each in HEADINGS), "utf-8")
    assert not without_page(tmp_path)

    page.write_text("".join(f"## {each}\n" for each in HEADINGS[:-1]), "utf-8")
    assert without_page(tmp_path)
