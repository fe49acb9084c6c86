"""The plots of the page, as SVG and PNG: latency over load, and what an event costs over history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Figures = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """What a plot shows, and what draws it."""

    caption: str
    draw: Callable[[Axes, Figures], None]


def reads(axes: Axes, found: Figures) -> None:
    """p99 over connections, under load, for each statement."""
    for name, sides in found.items():
        points = [(int(count), one["p99"]) for count, one in sides["under load"].items()]
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(
        xlabel="connections that read", ylabel="p99 of a read under load, ms", xscale="log", yscale="log"
    )
    axes.legend()


def freshness(axes: Axes, found: Figures) -> None:
    """p50 and p99 over the rate, for each stream."""
    for name, rates in found.items():
        for share, style in (("p50", "-"), ("p99", "--")):
            points = [(int(rate), one[share]) for rate, one in rates.items()]
            axes.plot(*zip(*points, strict=True), style, marker="o", label=f"{name}, {share}")
    axes.set(xlabel="events a second", ylabel="event to changed list, ms", xscale="log", yscale="log")
    axes.legend()


def history(axes: Axes, found: Figures) -> None:
    """Milliseconds of an event over how many came before."""
    for key, label in (("ms_per_event", "elapsed"), ("processor_ms_per_event", "processor")):
        points = [(int(count), one[key]) for count, one in found.items()]
        axes.plot(*zip(*points, strict=True), marker="o", label=label)
    axes.set(xlabel="events before", ylabel="an event in ticks of 50, ms", xscale="log", ylim=(0, None))
    axes.legend()


PLOTS = {
    "reads": Plot("Latency of reads over connections", reads),
    "freshness": Plot("Event to changed list over the rate of events", freshness),
    "history": Plot("Cost of an event over the length of history", history),
}


def draw(name: str, found: Figures, folder: Path) -> None:
    """Write `name`.svg and `name`.png; the same figures make the same bytes."""
    plot = PLOTS[name]
    with mpl.rc_context({"svg.hashsalt": name, "axes.grid": True, "grid.alpha": 0.3}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        axes.set_title(plot.caption)
        plot.draw(axes, found)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        figure.savefig(folder / f"{name}.png", dpi=110)
