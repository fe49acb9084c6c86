"""Bring nodes that were filled at an earlier tick to the tick of the transaction's snapshot, from what was logged since.

It is a tick of these nodes alone: the logged changes of every relation outside, added up, are handed on to the nodes that
read it, and each node is derived, applied and handed on in its turn. The relations outside have changed already; compiler/postgres/catch_up.py
tells what their readers see. What acts on rows is computed for the rows that changed, with what stands there now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property

import psycopg

from millstream.compiler.incremental.differentiate import BEFORE
from millstream.compiler.postgres.careful import Tries
from millstream.compiler.postgres.indexes import needed
from millstream.compiler.postgres.names import addends, changes
from millstream.compiler.postgres.rewrite import Position
from millstream.compiler.postgres.rules import node_sql
from millstream.compiler.postgres.statements import ByKey, NodeSql, NodeStatements
from millstream.engine.deploy.change_log import Log
from millstream.engine.state.describe import describer
from millstream.engine.state.fill import (
    compute_keys,
    drop_session_tables,
    is_of_values,
    note_careful,
    session_functions,
    tries_of,
)
from millstream.engine.state.python_rows import call
from millstream.engine.state.settings import PLANNING, plan_as_a_tick
from millstream.engine.state.udf import Functions

MANY = 1000  # rows of a session table that the planner had better know of


@dataclass
class Follower:
    """A node that is kept up: its statements, their careful forms once one has failed, and how many addends wait."""

    sql: NodeSql
    statements: NodeStatements
    careful: NodeSql | None = None
    addends: int = 0

    def make_careful(self, kept: CatchUp) -> None:
        """Run the careful form from now on."""
        self.careful = kept.written(self.sql, tries_of(self.sql.compiled))
        self.statements = self.careful.statements(kept.position(self.careful))


@dataclass
class CatchUp:
    """Keeps filled nodes up. `nodes` are all that will be filled, `outside` all relations that they read."""

    conn: psycopg.Connection
    nodes: Sequence[NodeSql]
    outside: Sequence[str]
    logs: Sequence[Log]
    functions: Functions
    filled: list[Follower] = field(default_factory=list)

    def open(self) -> None:
        """Make the session tables; the session has none of their names."""
        indexes = [index for sql in self.nodes for index in needed(sql.node)]
        for each in self.logs:
            self.conn.execute(each.session().encode())
            for statement in each.session_indexes(indexes):
                # where a setting of the session decides over an expression, no index can have it
                with suppress(psycopg.errors.InvalidObjectDefinition), self.conn.transaction():
                    self.conn.execute(statement.encode())

    @cached_property
    def places(self) -> dict[str, int]:
        """The order: what is outside, then the nodes as they are built, so that each comes after all that it reads."""
        names = (*self.outside, *(sql.node.name for sql in self.nodes))
        return {name: place for place, name in enumerate(names, 1)}

    def follow(self, sql: NodeSql) -> None:
        """Keep a node up from now on: it is filled with what its inputs hold."""
        drop_session_tables(self.conn, sql)
        for statement in sql.temporary():
            self.conn.execute(statement.encode())
        kept = self.written(sql)
        self.filled.append(Follower(kept, kept.statements(self.position(kept))))
        name = sql.node.name
        dead = self.conn.execute("select from millstream.dead_key where node = %s limit 1", [name]).fetchone()
        if dead is not None:  # only the careful form forgets what it can compute again
            self.filled[-1].make_careful(self)

    def written(self, sql: NodeSql, tries: Tries | None = None) -> NodeSql:
        """What writes the statements that keep a node up."""
        return node_sql(sql.compiled, describer(self.conn), tries, sql.asked, self.outside)

    def position(self, sql: NodeSql) -> Position:
        """The order as a node sees it: it comes before all that it looks up, and so reads that as it is now."""
        return lambda name: 0 if name == sql.node.name else self.places[name]

    def run(self) -> int:
        """Take over what was logged; returns how many changes that were. millstream.now and last_now are set."""
        for follower in self.filled:
            follower.addends = 0
        counts = {each.relation: self.execute(each.take(), changes(each.relation)) for each in self.logs}
        if not self.filled:
            self.clear()
            return 0
        taken = sum(counts.values())
        row = self.conn.execute("select millstream.now() <> millstream.last_now()").fetchone()
        moved = bool(row and row[0])
        with planned_as_a_tick(self.conn):
            for name in self.outside:
                self.hand_on(name, counts.get(name, 0), moved, None)
            for follower in self.filled:
                name = follower.sql.node.name
                if self.is_due(follower, counts, moved):
                    counts[name] = self.derive(follower)
                self.hand_on(name, counts.get(name, 0), moved, follower.statements.apply)
        self.clear()
        return taken

    def hand_on(self, name: str, count: int, moved: bool, apply: str | None) -> None:
        """Compute what a relation's changes mean to its readers, before and after they are applied."""
        mine = [
            (follower, number)
            for follower in self.filled
            for number, term in enumerate(follower.statements.terms)
            if term.relation == name and (count or (moved and follower.sql.node.timed))
        ]
        for follower, term in mine:
            if follower.statements.terms[term].moment == BEFORE:
                self.add(follower, term)
        if count and apply is not None:
            self.conn.execute(apply.encode())
        for follower, term in mine:
            if follower.statements.terms[term].moment != BEFORE:
                self.add(follower, term)

    def add(self, follower: Follower, term: int) -> None:
        """Compute one term of a node's change."""
        rows = self.try_both(
            follower, lambda sql, statements: self.execute(statements.terms[term].sql, addends(sql.node.name))
        )
        follower.addends += rows

    def is_due(self, follower: Follower, counts: dict[str, int], moved: bool) -> bool:
        """Tell whether a node has something to derive."""
        node = follower.sql.node
        if not follower.sql.inline:
            return follower.addends > 0
        return any(counts.get(leaf.relation.name) for leaf in node.leaves) or (
            moved and node.timed and not node.on_act
        )

    def derive(self, follower: Follower) -> int:
        """Compute a node's changes; returns how many rows they are."""
        if follower.statements.prepare is not None:
            self.try_both(follower, self.call_python)
        return self.try_both(
            follower,
            lambda sql, statements: self.by_key(sql, statements.derive, statements.derive_by),
        )

    def call_python(self, sql: NodeSql, statements: NodeStatements) -> int:
        """Call Python for the keys that changed; returns for how many rows."""
        assert statements.prepare is not None
        self.by_key(sql, statements.prepare, statements.prepare_by)
        careful = sql.tries is not None
        return call(self.conn, sql.node.name, statements.call, self.functions, careful=careful)

    def by_key(self, sql: NodeSql, statement: str, by: ByKey | None) -> int:
        """Compute keys, in the careful form each of them where some fail."""
        if sql.tries is not None and by is not None:
            return compute_keys(self.conn, sql, by)
        return self.execute(statement, changes(sql.node.name))

    def try_both(self, follower: Follower, work: Callable[[NodeSql, NodeStatements], int]) -> int:
        """Run a node's statement. One that fails on a value changes nothing, and the careful one does the same."""
        if follower.careful is None:
            try:
                with self.conn.transaction():
                    return work(follower.sql, follower.statements)
            except psycopg.Error as error:
                if not is_of_values(error):
                    raise
                note_careful(follower.sql, error)
                follower.make_careful(self)
        assert follower.careful is not None and follower.careful.tries is not None
        with session_functions(self.conn, follower.careful.tries):
            return work(follower.careful, follower.statements)

    def execute(self, statement: str, fills: str) -> int:
        """Run a statement that fills a session table; returns how many rows it put there."""
        rows = self.conn.execute(statement.encode()).rowcount
        if rows > MANY:
            self.conn.execute(f"ANALYZE {fills}".encode())
        return rows

    def clear(self) -> None:
        """Empty the session tables."""
        tables = [changes(each.relation) for each in self.logs]
        for follower in self.filled:
            tables += follower.sql.session_tables()
        for name in tables:
            self.conn.execute(f"DELETE FROM {name}".encode())


@contextmanager
def planned_as_a_tick(conn: psycopg.Connection) -> Iterator[None]:
    """Look the rows of a few changes up by indexes, whatever the statistics say."""
    before = {
        name: value
        for name, value in conn.execute(
            "select name, current_setting(name) from pg_settings where name = any (%s)", [list(PLANNING)]
        )
    }
    plan_as_a_tick(conn)
    yield
    for name, value in before.items():
        conn.execute("select set_config(%s, %s, true)", [name, value])
