"""The live replay: the days after the history, sent by a thread at a multiple of their own pace."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import psycopg
from rich.console import Console
from rich.markup import escape

from millstream.demo.settings import LOG, DemoSettings
from millstream.demo.steps import DemoStep
from millstream.project import import_loaders
from millstream.recommend.lists import recommend
from millstream.server import Server

LOOK_SECONDS = 5.0
LOOK_OFTEN = 0.2  # seconds between looks at what has arrived
LONGEST_WAIT = 120.0  # seconds


class Replay:
    """A replay under way. Leaving the block stops it."""

    def __init__(self, server: Server, settings: DemoSettings) -> None:
        self.server = server
        self.settings = settings
        self.stop = threading.Event()
        self.replayed: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="replay")
        self.done = threading.Event()  # after a Ctrl-C in Thread.join, Python 3.11 takes the thread for ended

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self.done.wait()
        self.thread.join()

    @property
    def running(self) -> bool:
        """Whether events are still to come."""
        return not self.done.is_set()

    def _run(self) -> None:
        try:
            source = import_loaders("formats.registry").open_source(LOG, since=self._since())
            self.replayed = import_loaders("loading.replay").replay(
                self.server.dsn("writer"),
                source,
                speed=self.settings.speed,
                stop=self.stop,
                show_progress=False,
            )
        except Exception as error:  # noqa: BLE001 - told by whoever waits for the thread
            self.error = error
        finally:
            self.done.set()

    def _since(self) -> datetime:
        """Where to go on: at the last line of the log that is there."""
        with psycopg.connect(self.server.dsn("writer"), autocommit=True) as writer:
            row = writer.execute("select max(occurred_at) from events where event_id like 'cj-%'").fetchone()
        last = row[0] if row is not None and row[0] is not None else self.settings.history_until
        return max(last, self.settings.history_until)


def lines_since(owner: psycopg.Connection, until: datetime) -> int:
    """Purchase lines of the log from `until` on that the views show."""
    row = owner.execute(
        "select count(*) from stg_events where occurred_at >= %s and event_id like 'cj-%%'", [until]
    ).fetchone()
    return int(row[0]) if row else 0


def await_events(step: DemoStep, replay: Replay, owner: psycopg.Connection, before: int, wanted: int) -> None:
    """Wait until so many events of the replay have arrived in the views and nothing is queued any more."""
    deadline = time.monotonic() + LONGEST_WAIT
    arrived = 0
    while arrived < wanted and replay.running and time.monotonic() < deadline:
        time.sleep(LOOK_OFTEN)
        arrived = lines_since(owner, replay.settings.history_until) - before
    if replay.error is not None:
        raise replay.error
    step.expect(arrived >= wanted, f"{arrived:,} of {wanted:,} live events arrived in {LONGEST_WAIT:.0f} s")
    owner.execute("call millstream.flush()")
    figures = pace(owner)
    step.note = f"{arrived:,} live events in the views, ticks p50 {figures['p50']:.0f} ms, p99 {figures['p99']:.0f} ms"


def pace(owner: psycopg.Connection) -> dict[str, Any]:
    """The last ticks that had events: events per second, tick times in milliseconds, and the clock."""
    row = owner.execute(
        "select coalesce(sum((taken ->> 'events')::bigint), 0)::float8 / %(seconds)s,"
        " coalesce(percentile_cont(0.5) within group (order by milliseconds), 0),"
        " coalesce(percentile_cont(0.99) within group (order by milliseconds), 0)"
        " from millstream.tick_log where committed_at > clock_timestamp() - %(seconds)s * interval '1 second'",
        {"seconds": LOOK_SECONDS},
    ).fetchone()
    now = owner.execute("select now from millstream.clock").fetchone()
    assert row is not None and now is not None
    return {"rate": row[0], "p50": row[1], "p99": row[2], "now": now[0]}


def watch(replay: Replay, owner: psycopg.Connection, reader: psycopg.Connection, console: Console) -> None:
    """Print every few seconds who acted last and what that household is recommended now, until the replay ends."""
    while replay.running:
        replay.done.wait(LOOK_SECONDS)
        figures = pace(owner)
        acted = owner.execute(
            "select user_id from rank_user_list order by computed_at desc limit 1"
        ).fetchone()
        if acted is None:
            continue
        rows = recommend(reader, acted[0], 3)
        names = "; ".join(row.name for row in rows)
        console.print(
            f"[dim]{figures['now']:%Y-%m-%d %H:%M}[/]  {figures['rate']:5.1f} events/s  tick {figures['p50']:4.0f} ms  "
            f"household [bold]{escape(acted[0])}[/] acted, now first: {escape(names)}",
            no_wrap=True,
            overflow="ellipsis",
        )
    if replay.error is not None:
        raise replay.error
