"""The worker: takes what is queued, applies it to every view in one transaction, and waits for more."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from millstream.compiler.postgres.fitting import model_of
from millstream.compiler.postgres.names import SEQUENCE, queue, table
from millstream.engine.catalog.install import install
from millstream.engine.catalog.notifications import take_notifications
from millstream.engine.catalog.store import setting
from millstream.engine.deploy import change_log
from millstream.engine.deploy.upgrade import build_again
from millstream.engine.earlier.convert_sources import convert_sources
from millstream.engine.earlier.rename_columns import rename_columns
from millstream.engine.earlier.renew import renew
from millstream.engine.erasure.carry_out import carry_out
from millstream.engine.erasure.carry_out import prepare as prepare_erasure
from millstream.engine.state import feed
from millstream.engine.state.fill import call
from millstream.engine.state.locks import TICK_LOCK, WORKER_LOCK, enter_turn
from millstream.engine.state.settings import SETTINGS
from millstream.engine.state.udf import Functions
from millstream.engine.state.versions import Outdated
from millstream.engine.tick.careful import CarefulForms, at_fault, suspend
from millstream.engine.tick.program import Program, Relation
from millstream.engine.tick.session import prepare
from millstream.engine.tick.sinks import Sinks
from millstream.errors import MillstreamError

BATCH = 1000  # queued rows of each source that one tick takes at most
IDLE_SECONDS = 1.0  # how often time alone makes a tick
MISLED_SECONDS = 0.01  # how long a notification with nothing behind it keeps the worker from looking again
HOUSEKEEPING_SECONDS = 2.0  # how often figures are stored and grown tables analyzed
DEAD_ROWS = 2_000  # how many emptied rows a relation's session tables may have: every tick reads past them
PREDECESSOR_SECONDS = 3  # how long a worker waits for the session of one that was killed to end
LOG_TICKS = 10_000  # how many ticks the log keeps

log = logging.getLogger("millstream.worker")


TICK_MILLISECONDS = 250.0  # how long a tick of a backlog should take: long, for its fixed costs, and fresh
SMALLEST, LARGEST = 100, 20_000  # bounds of what one tick takes of each source


@dataclass(frozen=True)
class Tick:
    """A finished tick: its number, its clock, and how many queued rows it took."""

    number: int
    now: datetime | None
    rows: int
    milliseconds: float = 0.0


class Redeployed(Exception):
    """The catalogue changed since the program was made."""


def next_size(size: int, tick: Tick) -> int:
    """Return how many rows of each source the next tick may take: as many as fit the time, by steps of at most two."""
    if tick.milliseconds > TICK_MILLISECONDS:
        wanted = size * max(0.5, TICK_MILLISECONDS / tick.milliseconds)
    elif tick.rows >= size:
        wanted = size * min(2.0, TICK_MILLISECONDS / max(tick.milliseconds, 1.0))
    else:
        return size
    return int(min(max(wanted, SMALLEST), LARGEST))


class Worker:
    """Keeps every deployed view current. One per database: a second one is refused.

    `clock` is 'wall' or 'event' (the greatest accepted time of an event); None keeps the database's setting. With `faults`
    every statement of a tick first calls millstream.fault(number), which tests define.
    """

    def __init__(
        self, dsn: str, clock: str | None = None, *, batch: int = BATCH, faults: bool = False
    ) -> None:
        self.dsn = dsn
        self.batch = batch
        self.faults = faults
        self.conn = psycopg.connect(dsn, autocommit=True)
        try:
            install(self.conn)
            rename_columns(self.conn)
            self.lock()
            convert_sources(self.conn)
            renew(self.conn)
            if clock is not None:
                self.set_clock(clock)
            self.clock = setting(self.conn, "clock")
            for name, value in SETTINGS.items():
                self.conn.execute("select set_config(%s, %s, false)", [name, value])
        except BaseException:
            self.conn.close()
            raise
        self.program: Program | None = None
        self.functions = Functions({})
        self.sinks = Sinks(self.conn)
        self.careful = CarefulForms()
        self.stage: Relation | str | None = None  # what runs beside the functions of a tick
        self.feeds = feed.Feeds()
        self.logs = change_log.Logs()
        self.epoch = -1
        self.passed: dict[str, int] = {}  # rows through a relation's session tables since they were vacuumed
        self.grown: dict[str, int] = {}
        self.stats: dict[str, tuple[int, int, float]] = {}
        self.conn.execute("listen millstream_queue")

    def lock(self) -> None:
        """Refuse to run beside another worker. One that was killed holds its lock until its last statement has ended."""
        try:
            with self.conn.transaction():
                self.conn.execute("select set_config('lock_timeout', %s, true)", [f"{PREDECESSOR_SECONDS}s"])
                self.conn.execute("select pg_advisory_lock(%s)", [WORKER_LOCK])
        except psycopg.errors.LockNotAvailable:
            raise MillstreamError(
                "another worker keeps this database already\n  hint: `millstream status` shows it, `millstream down` stops it"
            ) from None

    def set_clock(self, clock: str) -> None:
        """Choose the clock, as long as nothing was computed on the other one."""
        if clock not in ("wall", "event"):
            raise MillstreamError(f"unknown clock {clock!r}\n  hint: use wall or event")
        before = setting(self.conn, "clock")
        if before == clock:
            return
        used = self.conn.execute(
            "select (select tick from millstream.clock) > 0"
            " or exists (select 1 from millstream.relation where kind = 'materialized_view')"
        ).fetchone()
        if used is not None and used[0]:
            raise MillstreamError(
                f"the views of this database were computed on the {before} clock\n"
                f"  hint: start with --clock {before}, or with a new home directory"
            )
        with self.conn.transaction():
            self.conn.execute("update millstream.setting set value = %s where name = 'clock'", [clock])
            self.conn.execute("update millstream.clock set now = '-infinity'")

    def close(self) -> None:
        """Let go of the database."""
        self.conn.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reload(self) -> None:
        """Compile what is deployed now; the first time, views that another version built are built again."""
        try:
            self.program, catalogue = prepare(self.conn, self.faults)
        except Outdated as outdated:
            if self.program is not None:
                raise
            build_again(self.dsn, outdated)
            self.program, catalogue = prepare(self.conn, self.faults)
        prepare_erasure(self.conn)
        self.functions = Functions(catalogue.python())
        self.functions.load()
        self.careful = CarefulForms.of(self.conn, self.program)
        self.sinks.follow(self.program)

    def tick(self, now: datetime | None = None, batch: int | None = None) -> Tick:
        """Run one tick, and another one for what its sinks have put into sources.

        `now` sets the clock, for tests and replays; by default it is read.
        """
        size = batch or self.batch
        tick = self.one_tick(now, size)
        while self.sinks.deliver():
            after = self.one_tick(now, size)
            tick = replace(
                after, rows=tick.rows + after.rows, milliseconds=tick.milliseconds + after.milliseconds
            )
        return tick

    def one_tick(self, now: datetime | None, size: int) -> Tick:
        """Run one tick. A relation that fails is run carefully, one that fails even so is suspended, and it is run again."""
        while True:
            try:
                tick = self.attempt(now, lambda sources: [size] * sources)
            except psycopg.Error as error:
                self.blame(error)
                continue
            self.careful.ticked()
            return tick

    def blame(self, error: psycopg.Error) -> None:
        """Find what failed and let it fail no more; raises the error again where it is the server's."""
        if self.program is None:  # it was being made
            raise error
        if self.stage == "feeds" and self.feeds.spare(error):
            return
        relation = self.stage if isinstance(self.stage, Relation) else None
        relation = at_fault(self.program, error, relation)
        if relation is None or relation.compiled is None:
            raise error
        text = str(error).splitlines()[0]
        if relation.name not in self.careful.statements:
            log.warning("%s failed, and is run carefully: %s", relation.name, text)
            try:
                self.careful.make(self.conn, self.program, relation)
                return
            except psycopg.Error as unmade:
                if at_fault(self.program, unmade, relation) is None:
                    raise
        log.error("%s is suspended: %s", relation.name, text)
        suspend(self.conn, model_of(relation.compiled), relation.name, str(error))
        self.program = None

    def attempt(self, now: datetime | None, limits: Callable[[int], list[int]]) -> Tick:
        """Run one tick that takes at most that many rows of each source, after compiling what was deployed since."""
        while True:
            try:
                with self.conn.transaction():
                    return self.run_tick(now, limits)
            except Redeployed:
                self.reload()

    def run_tick(self, now: datetime | None, limits: Callable[[int], list[int]]) -> Tick:
        """The body of a tick, inside its transaction."""
        execute = self.conn.execute
        started = time.perf_counter()
        tick, epoch, feeds = one(execute("select * from millstream.enter_tick(%s)", [TICK_LOCK]))
        if epoch != self.epoch or self.program is None:
            self.epoch = epoch
            raise Redeployed
        self.feeds.refresh(self.conn, feeds)
        self.logs.refresh(self.conn, feeds)
        counts, changed, reading = one(
            execute(
                "select counts, changed, reading::text from pg_temp.millstream_take(%s, %s::timestamptz, %s)",
                [
                    limits(len(self.program.sources)),
                    now.isoformat() if now is not None else None,
                    self.clock == "wall",
                ],
            )
        )
        places = self.program.places
        sources = [relation.name for relation in self.program.sources]
        took = {name: count for name, count in zip(sources, counts, strict=True) if count}
        known = dict(zip(sources, changed, strict=True))
        changes = [known.get(name, 0) for name in places]
        addends, spent = [0] * len(places), [0.0] * len(places)
        modes = self.careful.modes(self.program)
        self.stage = None
        for segment in self.program.segments:
            changes, addends, spent = one(
                execute(
                    f"select c, r, ms from {segment.function}(%s, %s, %s, %s)".encode(),
                    [changes, addends, spent, modes],
                )
            )
            if segment.node is None or not addends[place := places[segment.node.name]]:
                continue
            begun = time.perf_counter()
            self.stage = segment.node
            careful = segment.node.name in self.careful.statements
            call(
                self.conn,
                segment.node.name,
                self.careful.calls(segment.node),
                self.functions,
                careful=careful,
            )
            self.stage = None
            spent[place] += (time.perf_counter() - begun) * 1000
        if self.feeds.feeds:
            self.stage = "feeds"
            self.feeds.record(self.conn, tick + 1, reading, dict(zip(places, changes, strict=True)))
            self.stage = None
        if self.logs.building:
            self.logs.record(self.conn, tick + 1, dict(zip(places, changes, strict=True)))
        clock, milliseconds = one(
            execute(
                "select case when isfinite(clock) then clock end, ms"
                " from pg_temp.millstream_finish(%s, %s, %s::timestamptz, %s::jsonb, %s)",
                [changes, addends, reading, json.dumps(took), (time.perf_counter() - started) * 1000],
            )
        )
        self.note(changes, addends, spent)
        self.sinks.note(changes)
        return Tick(tick + 1, clock, sum(counts), milliseconds)

    def note(self, changes: list[int], addends: list[int], spent: list[float]) -> None:
        """Add up what each relation cost, for status and explain, and what passed through its session tables."""
        assert self.program is not None
        figures = zip(self.program.relations, changes, addends, spent, strict=True)
        for relation, rows, added, milliseconds in figures:
            ticks, all_rows, all_milliseconds = self.stats.get(relation.name, (0, 0, 0.0))
            self.stats[relation.name] = (ticks + 1, all_rows + rows, all_milliseconds + milliseconds)
            if rows or added:
                self.passed[relation.name] = self.passed.get(relation.name, 0) + max(rows, added)
            if rows:
                self.grown[relation.name] = self.grown.get(relation.name, 0) + rows

    def run(self, stop: threading.Event) -> None:
        """Tick whenever something is queued, and on the wall clock for time's sake, until told to stop."""
        housekeeping = time.monotonic()
        size = self.batch
        while not stop.is_set():
            tick = self.tick(batch=size)
            size = next_size(size, tick)
            self.vacuum()
            if time.monotonic() - housekeeping > HOUSEKEEPING_SECONDS:
                self.housekeep()
                housekeeping = time.monotonic()
                self.forget()
            if tick.rows == 0 and not self.forget():
                self.wait(stop)
        self.housekeep()

    def forget(self) -> bool:
        """Forget whom somebody asked to forget; returns whether there was anybody."""
        if not carry_out(self.conn, self.catch_up):
            return False
        assert self.program is not None
        tables = [name for relation in self.program.relations for name in relation.session_tables]
        if tables:
            self.conn.execute(f"vacuum {', '.join(tables)}".encode())
        return True

    def catch_up(self) -> None:
        """Tick until all that is queued now is taken."""
        (last,) = one(self.conn.execute("select last_value from millstream.queue_number"))
        behind = True
        while behind:
            self.tick()
            assert self.program is not None
            queues = [
                f"select 1 from {queue(r.name)} where {SEQUENCE} <= {last}" for r in self.program.sources
            ]
            behind = (
                bool(queues)
                and self.conn.execute(f"{' union all '.join(queues)} limit 1".encode()).fetchone() is not None
            )

    def wait(self, stop: threading.Event) -> None:
        """Sleep until a client has written something or, on the wall clock, until time for an idle tick has come."""
        deadline = time.monotonic() + IDLE_SECONDS
        while not stop.is_set():
            if self.clock == "wall" and time.monotonic() > deadline:
                return
            if self.sinks.due and time.monotonic() > deadline:
                return
            if not take_notifications(self.conn, 0.2):
                continue
            if self.is_due():
                return
            stop.wait(MISLED_SECONDS)

    def is_due(self) -> bool:
        """Tell whether a tick would find something to do."""
        assert self.program is not None
        queues = [queue(relation.name) for relation in self.program.sources]
        looks = " or ".join(
            [
                "c.epoch <> %s",
                "c.set_to is not null",
                "exists (select from millstream.erasure as e where e.done_at is null)",
                *(f"exists (select from {q})" for q in queues),
            ]
        )
        return bool(
            one(self.conn.execute(f"select {looks} from millstream.clock as c".encode(), [self.epoch]))[0]
        )

    def vacuum(self) -> None:
        """Keep the session tables small: every tick fills and empties them."""
        assert self.program is not None
        full = [r for r in self.program.relations if self.passed.get(r.name, 0) > DEAD_ROWS]
        if full:
            tables = [name for relation in full for name in relation.session_tables]
            self.conn.execute(f"vacuum (skip_locked) {', '.join(tables)}".encode())
            for relation in full:
                del self.passed[relation.name]

    def housekeep(self) -> None:
        """Analyze what has grown, so that plans made for small tables are made again; store figures; trim the log."""
        with self.conn.transaction():
            enter_turn(self.conn)  # no deploy may drop a table between the look and the analysis
            for name, rows in list(self.grown.items()):
                row = self.conn.execute(
                    "select reltuples from pg_class where oid = to_regclass(%s)", [table(name)]
                ).fetchone()
                if row is None:
                    del self.grown[name]
                elif rows > 1000 and rows > max(row[0], 0):
                    self.conn.execute(f"analyze (skip_locked) {table(name)}".encode())
                    self.grown[name] = 0
            if self.feeds.feeds:
                feed.trim(self.conn)
            self.careful.look(self.conn)
            if self.logs.building and (left := change_log.clear_away_ended_build(self.conn)):
                log.warning("the deployment of %s has ended early; what it built is removed", ", ".join(left))
        with self.conn.transaction(), self.conn.cursor() as cursor:
            cursor.executemany(
                "insert into millstream.node_stats (node, ticks, rows, milliseconds) values (%s, %s, %s, %s)"
                " on conflict (node) do update set ticks = node_stats.ticks + excluded.ticks,"
                " rows = node_stats.rows + excluded.rows, milliseconds = node_stats.milliseconds + excluded.milliseconds",
                [(name, *figures) for name, figures in self.stats.items()],
            )
            cursor.execute(
                "delete from millstream.tick_log where tick < (select tick from millstream.clock) - %s",
                [LOG_TICKS],
            )
        self.stats.clear()


def one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The only row of an answer."""
    row = cursor.fetchone()
    assert row is not None
    return row
