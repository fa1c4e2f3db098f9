"""Benchmarks: they live with the tests, in a checkout."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from api.settings import SettingsRefused

if TYPE_CHECKING:
    from api.shell.output import Output

CHECKOUT: Final = Path(__file__).resolve().parents[2]


def bench_book(out: Output, *, quick: bool, seed: int) -> int:
    """Measure durable movements a second beside pgbench on the same server."""
    if not (CHECKOUT / "tests" / "benchmarks" / "book.py").is_file():
        raise SettingsRefused("benchmarks are part of a checkout, and this is none")
    if str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))
    benchmark = importlib.import_module("tests.benchmarks.book")
    figures: dict[str, Any] = benchmark.run(quick=quick, seed=seed, tell=out.say)
    out.data(figures)
    rows = [
        (f"{group}.{name}", f"{value}")
        for group in ("figures", "peers", "ratios")
        for name, value in figures.get(group, {}).items()
    ]
    out.table(("what", "measured"), rows, numbers=1)
    return 0
