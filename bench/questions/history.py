"""Does an event cost more when more has happened before? Ticks over histories of 10,000 to 3 million events.

Each history is loaded into a server of its own, by the events' clock, and the views are built over it in bulk. Then come ticks
of 50 events, basket by basket, stamped 200 a second. Beyond the end of the log it is told again by other persons
(bench.endless), so people and baskets grow with the history and the catalogue does not. A history is not begun when those before have taken
too long; the page then says that it was left out.
"""

from __future__ import annotations

import time
from typing import Any

from bench import endless
from bench.figures import percentile, table
from bench.memory import processor_seconds
from bench.shop import Shop, opened, rows
from bench.stage import Stage
from bench.tick_profile import WARM_TICKS, at_rate, run
from loaders.loading.load import load
from loaders.target.connection import WriterConnection
from millstream.engine.tick.worker import Worker

TITLE = "Cost over history"
ASKS = "milliseconds and bytes of an event after 10,000 to 3 million events"
SIZE = 50
RATE = 200.0


def measure(stage: Stage) -> dict[str, Any]:
    """One point for each history that time allows."""
    found: dict[str, Any] = {}
    began = time.monotonic()
    for count in stage.scale.histories:
        if time.monotonic() - began > stage.scale.history_seconds:
            print(f"  {count:>9,} events: left out, the time is over", flush=True)
            continue
        found[str(count)] = one = point(count, stage.scale.ticks)
        print(
            f"  {count:>9,} events: {one['ms_per_event']} ms an event, {one['events_per_second']} a second",
            flush=True,
        )
    return found


def point(count: int, ticks: int) -> dict[str, Any]:
    """Build a history of so many events, and measure ticks over it."""
    with opened(None) as shop:
        shop.deploy_sources()
        began = time.perf_counter()
        with shop.working(batch=20_000):
            load(shop.writer, endless.Endless(limit=count), show_progress=False, flush_every=100_000)
            shop.load_knowledge()
        loaded = time.perf_counter() - began
        built = shop.deploy_views()
        with Worker(shop.owner, batch=SIZE) as worker, WriterConnection(shop.writer) as target:
            worker.tick()
            events = at_rate(endless.lines(count, (WARM_TICKS + ticks) * SIZE), RATE)
            for _ in range(WARM_TICKS):
                run(worker, target, events, SIZE)
            session = worker.conn.info.backend_pid
            before = time.process_time() + processor_seconds(session)
            times = [run(worker, target, events, SIZE) for _ in range(ticks)]
            spent = time.process_time() + processor_seconds(session) - before
        middle = percentile(times, 0.5)
        return {
            "load_seconds": round(loaded, 1),
            "build_seconds": round(built, 1),
            "tick_p50": round(middle, 2),
            "tick_p99": round(percentile(times, 0.99), 2),
            "ms_per_event": round(middle / SIZE, 3),
            "events_per_second": round(SIZE * 1000 / middle),
            "processor_ms_per_event": round(spent * 1000 / (ticks * SIZE), 3),
            **sizes(shop, count),
        }


def sizes(shop: Shop, count: int) -> dict[str, Any]:
    """Bytes of the database for each event, and of what is stored of a list."""
    query = (
        "select pg_database_size(current_database()), (select count(*) from rank_user_list),"
        " (select sum(pg_total_relation_size(c.oid)) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        "  where n.nspname = 'millstream_data' and c.relkind = 'r' and c.relname like 'rank\\_user\\_list@%')"
    )
    total, lists, bytes_of_lists = (int(str(value or 0)) for value in rows(shop.owner, query)[0])
    return {
        "bytes_per_event": round(total / count),
        "lists": lists,
        "bytes_per_list": round(bytes_of_lists / max(lists, 1)),
        "bytes_per_person": round(total / max(lists, 1)),
    }


def section(found: dict[str, Any]) -> str:
    """One line for each history, and how the largest compares with that of 100,000."""
    lines = [
        (
            int(count),
            one["ms_per_event"],
            one["processor_ms_per_event"],
            one["events_per_second"],
            one["bytes_per_event"],
            one["bytes_per_list"],
            one["bytes_per_person"],
            one["load_seconds"],
            one["build_seconds"],
        )
        for count, one in found.items()
    ]
    header = [
        "events before",
        "ms an event",
        "processor ms",
        "events a second",
        "bytes an event",
        "bytes a list",
        "bytes a person",
        "load, s",
        "build, s",
    ]
    base, last = found.get("100000") or next(iter(found.values())), next(reversed(found.values()))
    ratio = last["ms_per_event"] / base["ms_per_event"]
    told = f"An event after the longest history costs {ratio:.2f} times what it does after that of 100,000 (else the shortest)."
    return f"{table(header, lines)}\n\n{told} Bytes are those of the whole database, shared by the events or persons in it."
