"""How long a deployment keeps events from showing: one is written again and again while a large list is deployed.

The longest wait of a written event is what a tick that runs anyway takes, and what the deployment adds to it.
"""

from __future__ import annotations

import argparse
import threading
import time

import psycopg

from bench.report import Report
from bench.shop import opened
from millstream.engine import deploy

EVENTS = "create table bench_events (k bigint primary key, person integer, item integer, at timestamptz)"
COUNTS = "select item, count(*) as n from bench_events group by item"
LISTS = """
select person, item, n, place from (
    select person, item, n, row_number() over (partition by person order by n desc, item) as place from (
        select e.person, o.item, count(*) as n
        from bench_events as e join bench_events as o on o.person = e.person
        group by e.person, o.item
    ) as pairs
) as ranked where place <= {most}
"""
ROWS = (
    "insert into bench_events select n, hashint8(n) & 16383, hashint8(n * 7) & 2047, now() - n * interval '1 second'"
    " from generate_series({first}::bigint, {last}::bigint) as n"
)


def main() -> None:
    """Read the arguments, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.deployments", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="events in the table (default 300000)")
    given = parser.parse_args()
    with opened(None, "wall") as shop, deploy.connect(shop.owner) as owner:
        deploy.deploy_table(owner, "bench_events", EVENTS)
        deploy.deploy_view(owner, "bench_counts", COUNTS)
        with psycopg.connect(shop.owner, autocommit=True) as client, shop.working(batch=50_000):
            for first in range(1, given.events, 50_000):
                client.execute(ROWS.format(first=first, last=min(first + 49_999, given.events)).encode())
            client.execute("call millstream.flush('10 minutes')")
            figures = {}
            for name, most in (("created", 20), ("replaced", 10)):
                waits = Waits(shop.owner, given.events + 1_000_000 * most)
                began = time.perf_counter()
                deploy.deploy_view(owner, "bench_lists", LISTS.format(most=most))
                seconds = time.perf_counter() - began
                longest, events = waits.end()
                figures[name] = {
                    "seconds": round(seconds, 1),
                    "longest_wait_seconds": round(longest, 2),
                    "events": events,
                }
                print(
                    f"{name} in {seconds:.1f} s; {events} events meanwhile, the longest wait {longest:.2f} s",
                    flush=True,
                )
        Report("deployments", shop.owner, f"{given.events:,} generated events").save(figures)


class Waits:
    """Writes one event after the other in a thread, and waits for each until the views show it."""

    def __init__(self, dsn: str, first: int) -> None:
        self.waits: list[float] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(dsn, first))
        self.thread.start()

    def run(self, dsn: str, first: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as client:
            while not self.stop.is_set():
                began = time.perf_counter()
                client.execute(
                    ROWS.format(first=first + len(self.waits), last=first + len(self.waits)).encode()
                )
                client.execute("call millstream.flush('10 minutes')")
                self.waits.append(time.perf_counter() - began)

    def end(self) -> tuple[float, int]:
        """The longest wait and how many there were."""
        self.stop.set()
        self.thread.join()
        return max(self.waits), len(self.waits)


if __name__ == "__main__":
    main()
