"""Every limit at the doors has a name, and the page of limits lists it as it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from api.door.turnstile import RateSettings
from tests.test_documents import constants, rows, wrong_policies

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "limits.md"
DOORS = (
    *(
        "api/door/gate.py",
        "api/door/bodies.py",
        "api/door/strict_http.py",
        "api/door/turnstile.py",
        "api/door/words.py",
    ),
    *(
        "api/identity/security.py",
        "api/house/front.py",
        "api/records/denials.py",
        "api/records/access.py",
        "api/door/problems.py",
    ),
    *("api/identity/certificates.py", "adapters/outbound.py", "adapters/psp/stripe/wire.py"),
)
NOT_A_LIMIT = {"api/door/words.py POSITION_MAX"}
"""The last position that can be written down: nothing runs out there."""
LIMIT = re.compile(r"[A-Z][A-Z0-9_]*_MAX")


def unlisted(page: str, path: str, text: str) -> set[str]:
    """Name the limits of a module that the page does not list."""
    names = {f"{path} {name}" for name in constants(ast.parse(text).body) if LIMIT.fullmatch(name)}
    listed = {where.replace("`", "") for *_, where in rows(page)}
    return names - listed - NOT_A_LIMIT


@pytest.mark.parametrize("path", DOORS)
def test_every_limit_of_the_doors_is_on_the_page(path: str) -> None:
    assert not unlisted(PAGE.read_text("utf-8"), path, (ROOT / path).read_text("utf-8"))


def test_every_limit_on_the_page_is_the_one_in_the_code() -> None:
    wrong = wrong_policies(PAGE.read_text("utf-8"), ROOT)

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["client", "service", "stranger", "probe"])
def test_the_page_tells_the_rates_as_they_are(name: str) -> None:
    rate = getattr(RateSettings(), name)
    (told,) = (row[1] for row in rows(PAGE.read_text("utf-8")) if row[3].endswith(f".{name}`"))

    assert [int(figure.replace(",", "")) for figure in re.findall(r"[\d,]*\d", told)] == [
        rate.per_s,
        rate.burst,
    ]


def test_a_limit_that_nobody_wrote_down_is_found() -> None:
    page = "| bodies | 5 | why | `api/door/gate.py` `BODY_MAX` |\n"

    assert unlisted(page, "api/door/gate.py", "BODY_MAX = 5\nHEAD_MAX: Final = 6\n") == {
        "api/door/gate.py HEAD_MAX"
    }
    assert not unlisted(page, "api/door/gate.py", "BODY_MAX = 5\n_INNER_MAX = 6\n")
