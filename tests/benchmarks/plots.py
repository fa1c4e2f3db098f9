"""Draws what `counterfoil bench book --json` told as three small pictures.

python -m tests.benchmarks.plots RESULT.json docs/performance
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

WIDTH, HEIGHT = 480, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 40, 44
TITLES = {
    "callers": "Movements per second, by callers",
    "wallets": "Movements per second, by wallets",
    "events": "Movements per second, by events in the log",
}


class Spot(NamedTuple):
    """One measured point: where on the axis, and what."""

    at: float
    value: float


def picture(title: str, spots: list[Spot]) -> str:
    """Draw a line over a logarithmic axis; every point carries its figure."""
    top = max(spot.value for spot in spots) * 1.2
    first, last = math.log10(spots[0].at), math.log10(spots[-1].at)

    def x(at: float) -> float:
        part = (math.log10(at) - first) / (last - first) if last > first else 0.5
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    line = " ".join(f"{x(spot.at):.1f},{y(spot.value):.1f}" for spot in spots)
    floor = y(0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}"',
        f' viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="14" font-weight="bold">{title}</text>',
        f'<path d="M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}" fill="none" stroke="#888888"/>',
        f'<polyline points="{line}" fill="none" stroke="#1f5fa8" stroke-width="2"/>',
    ]
    for spot in spots:
        left, high = x(spot.at), y(spot.value)
        parts += [
            f'<circle cx="{left:.1f}" cy="{high:.1f}" r="4" fill="#1f5fa8"/>',
            _text(left, high - 10, f"{spot.value:,.0f}"),
            _text(left, floor + 20, _short(spot.at)),
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{words}</text>'


def _short(number: float) -> str:
    return f"{number / 1e6:g}M" if number >= 1e6 else f"{number:,.0f}"


def draw(told: dict[str, Any], folder: Path) -> list[Path]:
    """Write one picture for each curve that was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, title in TITLES.items():
        spots = [Spot(point["at"], point["per_s"]) for point in told["curves"][name]]
        written.append(path := folder / f"{name}.svg")
        path.write_text(picture(title, spots), "utf-8")
    return written


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2]))
