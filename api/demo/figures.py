"""The seed of the demo: the same day in every run."""

from __future__ import annotations

from typing import Final

SEED: Final = 20_261_023
