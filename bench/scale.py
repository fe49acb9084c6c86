"""How much is measured: everything, or fewer points by the same code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The points of a run. Rates are a second, times seconds, histories and bursts events."""

    name: str
    lines: int
    """Purchase lines in the shop that most questions share."""
    connections: tuple[int, ...]
    read_seconds: int
    rates: tuple[int, ...]
    rate_seconds: int
    histories: tuple[int, ...]
    history_seconds: float
    """No further history is begun when those before have taken so long."""
    ticks: int
    burst: int


FULL = Scale(
    name="full",
    lines=100_000,
    connections=(1, 8, 32, 128),
    read_seconds=4,
    rates=(10, 200, 500, 1000),
    rate_seconds=12,
    histories=(10_000, 100_000, 1_000_000, 3_000_000),
    history_seconds=420.0,
    ticks=40,
    burst=50_000,
)
QUICK = Scale(
    name="quick",
    lines=10_000,
    connections=(1, 32),
    read_seconds=1,
    rates=(10, 200),
    rate_seconds=2,
    histories=(1_000, 4_000),
    history_seconds=60.0,
    ticks=8,
    burst=2_000,
)
