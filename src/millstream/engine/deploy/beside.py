"""Build a change of definitions beside what runs, while ticks go on.

A short transaction in the turn of ticks has compiled, created empty tables and let ticks log what they change in the
relations that the new versions read (change_log.py). Then each node is filled from one snapshot, which is the end of a
tick, after the nodes before it were caught up to it (catch_up.py). They are caught up again until little is left. A last short
transaction in the turn takes that over and lets the names stand for the new versions (decision 8).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial

import psycopg

from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.indexes import Index
from millstream.compiler.postgres.statements import NodeSql
from millstream.engine.deploy import change_log
from millstream.engine.deploy.amounts import is_little
from millstream.engine.deploy.catch_up import CatchUp
from millstream.engine.deploy.draft import Draft
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.transaction import begin_change, settle_in
from millstream.engine.state.fill import (
    drop_session_tables,
    fill,
    fill_carefully,
    gather,
    is_of_values,
    note_careful,
    store,
)
from millstream.engine.state.indexes import make_index
from millstream.engine.state.locks import Tell, enter_turn, only_a_moment, patiently
from millstream.engine.state.python_rows import call_all
from millstream.errors import MillstreamError

LITTLE_SECONDS = 0.25  # how long the last catching up may take, in the turn of ticks
MOST_ROUNDS = 20  # of catching up before that, where ticks bring more than is taken over
INDEX_TIMEOUT = (
    "10s"  # how long an index may wait for older transactions to end, until it is made in the turn
)


@dataclass(frozen=True)
class Done:
    """A step that is committed: what was done, to which node, and the nodes that are still to be filled."""

    what: str
    node: Node | None = None
    left: tuple[Node, ...] = ()


Steps = Generator[Done, None, Deployed]


@dataclass
class Beside:
    """A change that is being built beside what runs. The session has the place of deployments."""

    conn: psycopg.Connection
    draft: Draft
    planned: Deployed
    tell: Tell | None
    reached: str | None = None  # the clock of the tick to which the filled nodes are kept up

    @property
    def deployed(self) -> Deployed:
        """What was done."""
        return self.draft.outcome(self.planned)

    @cached_property
    def catch_up(self) -> CatchUp:
        """Keeps what is filled up."""
        logs = [change_log.log_of(relation) for relation in self.draft.followed.values()]
        outside = list(self.draft.outside)
        return CatchUp(self.conn, self.draft.nodes, outside, logs, self.draft.functions)

    def steps(self) -> Iterator[Done]:
        """Build, catch up, publish; yields what was done."""
        self.conn.execute("discard temporary")
        with self.snapshot() as now:
            self.at(now, now)
            self.catch_up.open()
        for index in self.draft.indexes_outside():
            self.make_index(index)
        yield Done("indexed", left=tuple(sql.node for sql in self.draft.nodes))
        for number, sql in enumerate(self.draft.nodes):
            self.report(sql, number)
            yield from self.build(sql, number)
        yield from self.close_in()
        patiently(self.conn, self.publish)
        self.conn.execute("discard temporary")
        yield Done("published")

    # ---- filling -------------------------------------------------------------------------------------------------

    def build(self, sql: NodeSql, number: int) -> Iterator[Done]:
        """Fill a node from one snapshot."""
        if sql.node.udf is None:
            self.fill(sql, partial(fill, self.conn, sql, self.draft.functions))
        else:
            try:
                yield from self.through_python(sql, number)
            except psycopg.Error as error:
                if not is_of_values(error):
                    raise
                note_careful(sql, error)
                drop_session_tables(self.conn, sql)
                self.fill(sql, partial(fill_carefully, self.conn, sql, self.draft.functions))
        yield Done("filled", sql.node, self.after(number))

    def after(self, number: int) -> tuple[Node, ...]:
        """The nodes that come after one."""
        return tuple(sql.node for sql in self.draft.nodes[number + 1 :])

    def fill(self, sql: NodeSql, first_rows: Callable[[], int]) -> None:
        """Fill a node with what its inputs hold at the end of one tick, to which all before it are brought."""
        with self.snapshot() as now:
            self.take_over(now)
            self.draft.prepare_inputs(sql)
            self.at(now, now)
            self.draft.finish(sql, first_rows())
            self.catch_up.follow(sql)

    def through_python(self, sql: NodeSql, number: int) -> Iterator[Done]:
        """Fill a node that calls Python, outside of transactions, for what was gathered from one snapshot."""
        with self.snapshot() as now:
            self.take_over(now)
            self.draft.prepare_inputs(sql)
            self.at(now, now)
            gather(self.conn, sql)
        yield Done("gathered", sql.node, self.after(number))
        call_all(self.conn, sql, self.draft.functions, lambda *rows: self.report(sql, number, rows))
        with self.snapshot() as now:
            self.at(now, now)
            self.draft.finish(sql, store(self.conn, sql))
            self.catch_up.follow(sql)
            self.take_over(now)

    def make_index(self, index: Index) -> None:
        """Make an index on a relation that ticks change meanwhile.

        It is ready when all transactions that were there before have ended. Where one does not, ticks wait for the index.
        """
        conn = self.conn
        if not is_little(conn, index.relation):
            before = conn.execute("select current_setting('lock_timeout')").fetchone()
            assert before is not None
            try:
                conn.execute("select set_config('lock_timeout', %s, false)", [INDEX_TIMEOUT])
                make_index(conn, index, beside=self.note_index)
                return
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                self.say(
                    f"{index.relation} gets an index while ticks wait: an older transaction is in the way"
                )
            finally:
                conn.execute("select set_config('lock_timeout', %s, false)", [before[0]])
        with conn.transaction():
            settle_in(conn)
            enter_turn(conn)
            change_log.drop_invalid(conn)
            made = make_index(conn, index)
            if made is not None:
                self.note_index(made)

    def note_index(self, name: str) -> None:
        """Remember an index, which goes if the build does not come to its end."""
        self.conn.execute(
            "update millstream.build set indexes = array_append(array_remove(indexes, %s), %s)", [name, name]
        )

    # ---- catching up ---------------------------------------------------------------------------------------------

    @contextmanager
    def snapshot(self) -> Iterator[str]:
        """A transaction that sees the end of one tick; gives that tick's clock."""
        with self.conn.transaction():
            self.conn.execute("set transaction isolation level repeatable read")
            settle_in(self.conn)
            now = self.clock()
            yield now
            self.conn.execute("select millstream.settle_evaluation_errors()")
        self.reached = now

    def clock(self) -> str:
        """The clock of the last tick that is seen. Raises MillstreamError where a tick has not logged what it changed."""
        row = self.conn.execute(
            "select c.now::text, c.tick = coalesce(b.logged, b.tick) from millstream.clock as c cross join millstream.build as b"
        ).fetchone()
        if row is None or not row[1]:
            raise MillstreamError(
                "ticks went on without telling the deployment: the worker runs another version of Millstream\n"
                "  hint: restart it (millstream down, millstream up), then deploy again"
            )
        return str(row[0])

    def at(self, then: str, now: str) -> None:
        """Set the clock of this tick and of the one before."""
        self.conn.execute(
            "select set_config('millstream.last_now', %s, true), set_config('millstream.now', %s, true)",
            [then, now],
        )

    def take_over(self, now: str) -> int:
        """Bring what is filled to the tick that is seen; returns how many logged changes that took."""
        self.at(self.reached or now, now)
        return self.catch_up.run()

    def close_in(self) -> Iterator[Done]:
        """Catch up until little is left, or until it does not get less any more."""
        for _ in range(MOST_ROUNDS):
            began = time.monotonic()
            with self.snapshot() as now:
                taken = self.take_over(now)
            seconds = time.monotonic() - began
            self.say(f"took {taken:,} changes over in {seconds:.1f} s")
            yield Done("caught up")
            if seconds < LITTLE_SECONDS:
                return

    # ---- the end -------------------------------------------------------------------------------------------------

    def publish(self) -> None:
        """In the turn of ticks: take the rest over, and let names stand for the new versions."""
        conn = self.conn
        with conn.transaction():
            settle_in(conn)
            enter_turn(conn)
            self.take_over(self.clock())
            conn.execute("select millstream.settle_evaluation_errors()")
            only_a_moment(conn)
            self.draft.publish()
            change_log.stop_logging(conn, [each.relation for each in self.catch_up.logs])

    def give_up(self) -> None:
        """Remove what was built; what cannot be removed now is by whoever deploys next, or by the worker."""
        with suppress(psycopg.Error):
            self.conn.execute("discard temporary")
            with self.conn.transaction():
                begin_change(self.conn)

    # ---- progress ------------------------------------------------------------------------------------------------

    def report(self, sql: NodeSql, number: int, rows: tuple[int, int] | None = None) -> None:
        """Say and store how far the build is."""
        of_rows = f", {rows[0]:,} of {rows[1]:,} rows through Python" if rows is not None else ""
        doing = f"building {sql.node.name}, {number + 1} of {len(self.draft.nodes)}{of_rows}"
        self.conn.execute("update millstream.build set doing = %s, step = %s", [doing, number])
        self.say(doing)

    def say(self, line: str) -> None:
        if self.tell is not None:
            self.tell(line)
