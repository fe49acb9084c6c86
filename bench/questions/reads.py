"""How long does a read of 20 recommendations take, from so many connections, alone and beside a stream of events?

pgbench, the client of PostgreSQL's own, keeps every connection busy (closed loop) with one statement that is prepared on it
once: a list of `serve_recommendations` by key, the documented statement, and the yardstick: 20 items that lie ready in one
row of JSON, by key. The stream is 200 events a second, basket by basket.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

import millstream.server
from bench import endless
from bench.figures import summary, table
from bench.live import PERSONAL, READ_ROWS
from bench.shop import Shop, insert
from bench.stage import Stage
from loaders.schema.rows import Event
from loaders.target.connection import WriterConnection
from millstream.recommend.statement import statement

TITLE = "Reads"
ASKS = "milliseconds of a read of 20, from 1 to 128 connections, alone and under load"
STREAM = 200
LOGIN_SECONDS = 0.025
PEOPLE = 100  # a script of pgbench each
WARM_READS = 6
"""Of each connection: PostgreSQL decides for a generic plan after five."""
READY = """
create table ready_lists (user_id varchar primary key, list jsonb);
insert into ready_lists
select user_id, to_jsonb(list)
from (
    select user_id, (array_agg(jsonb_build_object('item_id', item_id, 'slot', slot) order by slot))[1:20] as list
    from rank_user_items group by user_id
) as lists;
grant select on ready_lists to millstream_reader;
analyze ready_lists;
"""
STATEMENTS = {
    "key look-up": "select list from ready_lists where user_id = $1 and $2 > 0",
    "personal list": PERSONAL,
    "documented statement": statement(),
}
"""Each with $1, a person, and $2, how many rows."""


def measure(stage: Stage) -> dict[str, Any]:
    """Read by each statement from each number of connections; milliseconds and reads a second."""
    found: dict[str, Any] = {}
    scale = stage.scale
    with stage.working() as (shop, _), tempfile.TemporaryDirectory() as folder:
        people = make_ready(shop)
        points = [(beside, count) for beside in ("alone", "under load") for count in scale.connections]
        for beside, count in points:
            events = stage.events(STREAM * scale.read_seconds * 6) if beside == "under load" else []
            with streaming(shop, events):
                for name, text in STATEMENTS.items():
                    one = pgbench(shop.reader, text, people, count, scale.read_seconds, Path(folder))
                    found.setdefault(name, {}).setdefault(beside, {})[str(count)] = one
                    print(
                        f"  {beside}, {count:>3} connections, {name}: {one['p50']} ms, p99 {one['p99']}",
                        flush=True,
                    )
    return found


def make_ready(shop: Shop) -> list[str]:
    """Lay the lists ready by key; return some of the persons."""
    with psycopg.connect(shop.owner, autocommit=True) as owner:
        owner.execute(f"drop table if exists ready_lists; {READY}".encode())
        found = owner.execute(
            f"select user_id from ready_lists order by md5(user_id) limit {PEOPLE}".encode()
        ).fetchall()
    return [row[0] for row in found]


def script(text: str, person: str) -> str:
    """What a connection does when this person's turn comes: prepare the statement if it has not, then read the list."""
    one_line = " ".join(line for line in text.splitlines() if not line.strip().startswith("--"))
    return (
        f"\\if :prepared\n\\else\nprepare read (varchar, integer) as {one_line};\n\\set prepared 1\n\\endif\n"
        f"execute read ('{person}', {READ_ROWS});\n"
    )


def pgbench(
    dsn: str, text: str, people: list[str], connections: int, seconds: int, folder: Path
) -> dict[str, Any]:
    """Read for so many seconds; p50, p99, max in milliseconds, and reads a second. Raises RuntimeError if a read fails."""
    alarm = seconds + math.ceil(connections * LOGIN_SECONDS)  # which pgbench sets before it logs in
    command = [
        millstream.server.find_binaries().path("pgbench"),
        "-n",
        "-c",
        str(connections),
        "-T",
        str(alarm),
    ]
    for number, person in enumerate(people):
        file = folder / f"{number}.sql"
        file.write_text(script(text, person))
        command += ["-f", str(file)]
    command += ["-D", "prepared=0", "-l", f"--log-prefix={folder / 'log'}", dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pgbench failed: {done.stderr[-1000:]}")
    times, ends = [], []
    for path in folder.glob("log.*"):
        for line in path.read_text().splitlines():
            _, number_of_read, taken, _, second, fraction, *_ = line.split()
            ends.append(int(second) + int(fraction) / 1e6)
            if int(number_of_read) > WARM_READS:
                times.append(int(taken) / 1000)
        path.unlink()
    return {**summary(times, 3), "reads_per_second": round(len(ends) / (max(ends) - min(ends)))}


@contextmanager
def streaming(shop: Shop, events: list[Event]) -> Iterator[None]:
    """Insert events at a constant rate within the block; none if there are none."""
    stop = threading.Event()

    def write() -> None:
        with WriterConnection(shop.writer) as target:
            start, number = time.monotonic(), 0
            while number < len(events) and not stop.wait(0.02):
                last = min(len(events), int((time.monotonic() - start) * STREAM))
                if last > number:
                    moment = endless.present()
                    insert(target, [endless.now(event, moment) for event in events[number:last]])
                    number = last
            target.flush()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def section(found: dict[str, Any]) -> str:
    """One line for each statement and number of connections."""
    lines = [
        (name, beside, int(count), one["p50"], one["p99"], one["reads_per_second"])
        for name, sides in found.items()
        for beside, counts in sides.items()
        for count, one in counts.items()
    ]
    return table(["read", "beside", "connections", "p50, ms", "p99, ms", "reads a second"], lines)
