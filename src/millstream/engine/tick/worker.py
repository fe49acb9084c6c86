"""The worker: takes what is queued, applies it to every view in one transaction, and waits for more."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg

from millstream.compiler.postgres.fitting import model_of
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
from millstream.engine.state.locks import TICK_LOCK, enter_turn
from millstream.engine.state.looked_up import LookedUp
from millstream.engine.state.python_rows import call
from millstream.engine.state.settings import SETTINGS
from millstream.engine.state.udf import Functions
from millstream.engine.state.versions import Outdated
from millstream.engine.tick.careful import CarefulForms, at_fault, suspend
from millstream.engine.tick.figures import Figures
from millstream.engine.tick.program import Program, TickRelation
from millstream.engine.tick.queued import has_work, is_queued, one
from millstream.engine.tick.session import prepare
from millstream.engine.tick.sinks import Sinks
from millstream.engine.tick.start import become_the_worker, choose_clock

BATCH = 1000  # queued rows of each source that one tick takes at most
IDLE_SECONDS = 1.0  # how often time alone makes a tick
MISLED_SECONDS = 0.01  # how long a notification with nothing behind it keeps the worker from looking again
HOUSEKEEPING_SECONDS = 2.0  # how often figures are stored and grown tables analyzed
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
            become_the_worker(self.conn)
            convert_sources(self.conn)
            renew(self.conn)
            if clock is not None:
                choose_clock(self.conn, clock)
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
        self.stage: TickRelation | str | None = None  # what runs beside the functions of a tick
        self.feeds = feed.Feeds()
        self.logs = change_log.Logs()
        self.epoch = -1
        self.figures = Figures()
        self.conn.execute("listen millstream_queue")

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
        self.functions = Functions(catalogue.python(), looked_up=LookedUp(followed=True))
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
        relation = self.stage if isinstance(self.stage, TickRelation) else None
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
            except BaseException:
                self.functions.looked_up.rows.clear()
                raise

    def run_tick(self, now: datetime | None, limits: Callable[[int], list[int]]) -> Tick:
        """The body of a tick, inside its transaction."""
        execute = self.conn.execute
        started = time.perf_counter()
        tick, epoch, feeds = one(execute("select * from millstream.enter_tick(%s)", [TICK_LOCK]))
        if epoch != self.epoch or self.program is None:
            self.epoch = epoch
            raise Redeployed
        program = self.program
        self.feeds.refresh(self.conn, feeds)
        self.logs.refresh(self.conn, feeds)
        counts, changed, reading = one(
            execute(
                "select counts, changed, reading::text from pg_temp.millstream_take(%s, %s::timestamptz, %s)",
                [
                    limits(len(program.sources)),
                    now.isoformat() if now is not None else None,
                    self.clock == "wall",
                ],
            )
        )
        sources = [relation.name for relation in program.sources]
        took = {name: count for name, count in zip(sources, counts, strict=True) if count}
        moved = dict(zip(sources, changed, strict=True))
        changes, addends, spent = self.compute(program, moved)
        self.functions.looked_up.forget(name for name, rows in moved.items() if rows)
        self.record(tick + 1, reading, dict(zip(program.places, changes, strict=True)))
        clock, milliseconds = one(
            execute(
                "select case when isfinite(clock) then clock end, ms"
                " from pg_temp.millstream_finish(%s, %s, %s::timestamptz, %s::jsonb, %s)",
                [changes, addends, reading, json.dumps(took), (time.perf_counter() - started) * 1000],
            )
        )
        self.figures.add(program.relations, changes, addends, spent)
        self.sinks.note(changes)
        return Tick(tick + 1, clock, sum(counts), milliseconds)

    def compute(self, program: Program, changed: dict[str, int]) -> tuple[list[int], list[int], list[float]]:
        """Bring every relation up to date, given how many rows changed in each source.

        Returns for each relation the changed rows, the rows handed to it, and the milliseconds that it took.
        """
        places = program.places
        changes = [changed.get(name, 0) for name in places]
        addends, spent = [0] * len(places), [0.0] * len(places)
        modes = self.careful.modes(program)
        self.stage = None
        for stretch in program.stretches:
            changes, addends, spent = one(
                self.conn.execute(
                    f"select c, r, ms from {stretch.function}(%s, %s, %s, %s)".encode(),
                    [changes, addends, spent, modes],
                )
            )
            if stretch.node is not None and addends[place := places[stretch.node.name]]:
                spent[place] += self.call_python(stretch.node)
        return changes, addends, spent

    def call_python(self, node: TickRelation) -> float:
        """Call the functions of a node that has something to call them for; returns the milliseconds that it took."""
        begun = time.perf_counter()
        self.stage = node
        careful = node.name in self.careful.statements
        call(self.conn, node.name, self.careful.calls(node), self.functions, careful=careful)
        self.stage = None
        return (time.perf_counter() - begun) * 1000

    def record(self, number: int, reading: str, changes: dict[str, int]) -> None:
        """Keep the changes of a tick for feeds, and for what is built beside."""
        if self.feeds.feeds:
            self.stage = "feeds"
            self.feeds.record(self.conn, number, reading, changes)
            self.stage = None
        if self.logs.building:
            self.logs.record(self.conn, number, changes)

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
        self.tick()
        while self.program is not None and is_queued(self.conn, self.program, last):
            self.tick()

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
            assert self.program is not None
            if has_work(self.conn, self.program, self.epoch):
                return
            stop.wait(MISLED_SECONDS)

    def vacuum(self) -> None:
        """Keep the session tables small."""
        assert self.program is not None
        self.figures.vacuum(self.conn, self.program.relations)

    def housekeep(self) -> None:
        """Analyze what has grown, store figures, trim the log and the feeds."""
        with self.conn.transaction():
            enter_turn(self.conn)  # no deploy may drop a table between the look and the analysis
            self.figures.analyze(self.conn)
            if self.feeds.feeds:
                feed.trim(self.conn)
            self.careful.look(self.conn)
            if self.logs.building and (left := change_log.clear_away_ended_build(self.conn)):
                log.warning("the deployment of %s has ended early; what it built is removed", ", ".join(left))
        with self.conn.transaction(), self.conn.cursor() as cursor:
            self.figures.store(cursor)
            cursor.execute(
                "delete from millstream.tick_log where tick < (select tick from millstream.clock) - %s",
                [LOG_TICKS],
            )
        self.figures.costs.clear()
