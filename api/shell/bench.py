"""Benchmarks: they live with the tests, in a checkout."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from api.house.settings import SettingsRefused

if TYPE_CHECKING:
    from api.shell.output import Output

CHECKOUT: Final = Path(__file__).resolve().parents[2]


def bench(out: Output, name: str, *, quick: bool, seed: int, events: int | None = None) -> int:
    """Measure beside pgbench on the same server.

    Args:
        name: the benchmark: a module of `tests.benchmarks` with a function `run`.
        quick: within 40 seconds.
        events: how long a log to read; only for the benchmarks that read one.
    """
    if not (CHECKOUT / "tests" / "benchmarks" / f"{name}.py").is_file():
        raise SettingsRefused("benchmarks are part of a checkout, and this is none")
    if str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))
    benchmark = importlib.import_module(f"tests.benchmarks.{name}")
    more = {} if events is None else {"events": events}
    figures: dict[str, Any] = benchmark.run(quick=quick, seed=seed, tell=out.say, **more)
    out.data(figures)
    rows = [
        (f"{group}.{name}", f"{value}")
        for group in ("figures", "peers", "ratios")
        for name, value in figures.get(group, {}).items()
    ]
    out.table(("what", "measured"), rows, numbers=1)
    return 0
