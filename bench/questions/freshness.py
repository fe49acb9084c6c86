"""How long after an event is committed has its person's list changed, at so many events a second?

Two streams: baskets, line by line as the log has them, and distinct persons, where each event is somebody else's, which is
the worst case, as a list is computed once per person and tick. Events, watcher and reader are those of bench.live, each a
process of its own at a constant rate (open loop), with 50 reads a second beside them. Each point ends when the views have
caught up.
"""

from __future__ import annotations

import itertools
from typing import Any

from bench.figures import table
from bench.live import WARM_SECONDS, run, worker_session
from bench.memory import processor_seconds
from bench.shop import Shop, rows
from bench.stage import Stage
from loaders.schema.rows import Event
from loaders.target.connection import WriterConnection

TITLE = "Freshness"
ASKS = "milliseconds from a committed event to the changed list, at 10 to 1,000 events a second"
READS = 50


def measure(stage: Stage) -> dict[str, Any]:
    """Every rate with either stream; milliseconds, and the processor time of an event and of a list."""
    found: dict[str, Any] = {}
    with stage.working() as (shop, worker):
        pids = (worker.pid, worker_session(shop.owner))
        for stream in ("baskets", "distinct persons"):
            for rate in stage.scale.rates:
                count = int((stage.scale.rate_seconds + WARM_SECONDS) * rate) + 1
                events = stage.events(count)
                if stream == "distinct persons":
                    events = by_others(shop, events)
                one = point(shop, events, rate, stage.scale.rate_seconds, pids)
                found.setdefault(stream, {})[str(rate)] = one
                print(f"  {rate:>4} events a second, {stream}: {one['p50']} ms, p99 {one['p99']}", flush=True)
    return found


def by_others(shop: Shop, events: list[Event]) -> list[Event]:
    """The same items, each looked at by somebody else: the known persons in turn, in a session of their own."""
    people = [
        str(row[0]) for row in rows(shop.owner, "select user_id from rank_user_list order by md5(user_id)")
    ]
    return [
        event._replace(user_id=person, session_id=f"{event.event_id}-own")
        for event, person in zip(events, itertools.cycle(people), strict=False)
    ]


def point(shop: Shop, events: list[Event], rate: int, seconds: int, pids: tuple[int, ...]) -> dict[str, Any]:
    """One rate for so many seconds after the warm-up."""
    before = sum(map(processor_seconds, pids))
    measured = run(shop.owner, shop.writer, shop.reader, events, rate, READS, seconds)
    with WriterConnection(shop.writer) as target:
        target.flush(tries=5)
    spent = sum(map(processor_seconds, pids)) - before
    return {
        **measured["freshness_ms"],
        "read_p50": measured["read_personal_ms"]["p50"],
        "read_p99": measured["read_personal_ms"]["p99"],
        "never": measured["events_never_seen"],
        "processor_ms_per_event": round(spent / len(events) * 1000, 2),
    }


def section(found: dict[str, Any]) -> str:
    """One line for each stream and rate."""
    lines = [
        (
            stream,
            int(rate),
            one["p50"],
            one["p99"],
            one["read_p50"],
            one["read_p99"],
            one["processor_ms_per_event"],
            one["never"],
        )
        for stream, rates in found.items()
        for rate, one in rates.items()
    ]
    header = [
        "stream",
        "events a second",
        "p50, ms",
        "p99, ms",
        "read p50, ms",
        "read p99, ms",
        "processor ms an event",
        "not seen within a minute",
    ]
    return table(header, lines)
