"""A source is a table: random histories of several sessions, against a plain PostgreSQL table with the same statements.

Each session runs every statement on both. A plain INSERT is given to the plain table row by row, with the ON CONFLICT
clause that the declared rule amounts to. Whatever the sessions do and wherever the ticks fall, each statement reports and
returns the same, each session reads the same rows at once, and in the end the engine's copy and the views hold them too.

No statement waits long for another session: both sides give up then, in the same places.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg
from hypothesis import strategies as st

from millstream.engine import deploy
from millstream.engine.tick.worker import Worker
from tests.databases import Databases
from tests.equivalence.cases import rows
from tests.equivalence.schema import CONFLICTS, Column, Table
from tests.equivalence.source_model import Row
from tests.equivalence.values import literal, values

COLUMNS = (
    Column("k", "integer"),
    Column("v", "varchar"),
    Column("n", "integer"),
    Column("x", "double precision"),
    Column("at", "timestamptz"),
)
COUNTED = "select v, count(*) as n, sum(n) as s from t group by v"
COPIED = "select k, v, n, x, at from t"
SESSIONS = 3
PATIENCE = "40ms"
MOST_TICKS = 10  # within which nothing is left to take


@dataclass(frozen=True)
class Plain:
    """INSERT without ON CONFLICT, or COPY."""

    rows: tuple[Row, ...]
    copy: bool = False


@dataclass(frozen=True)
class Other:
    """A statement that is PostgreSQL's own; {t} is the table."""

    text: str


@dataclass(frozen=True)
class Step:
    """What a session does. Outside of a transaction every statement is one."""

    session: int
    action: Plain | Other


@dataclass(frozen=True)
class Ticks:
    """One tick, which takes so many rows at most."""

    batch: int


History: TypeAlias = "list[Step | Ticks]"


@st.composite
def shapes(draw: st.DrawFn) -> Table:
    """A table with or without a key, with any rule that it may have."""
    key = draw(st.sampled_from(((), ("k",), ("k", "v"))))
    conflict = draw(st.sampled_from(CONFLICTS)) if key else None
    versions = (
        draw(st.sampled_from(((), (), ("n",), ("n", "at")))) if key and conflict != "do nothing" else ()
    )
    return Table("t", COLUMNS, key, conflict, versions=versions)


@st.composite
def actions(draw: st.DrawFn, table: Table) -> Plain | Other:
    kind = draw(
        st.sampled_from(("insert",) * 4 + ("copy", "own", "update", "update", "delete", "control", "rare"))
    )
    if kind in ("insert", "copy"):
        some = tuple(draw(st.lists(rows(table), min_size=1, max_size=4)))
        return Plain(some * draw(st.sampled_from((1, 1, 2))), kind == "copy")
    if kind == "own":
        row = constants(table, draw(rows(table)))
        target = f" ({', '.join(table.key)})" if table.key else ""
        settle = draw(
            st.sampled_from(
                ("do nothing", "do update set x = excluded.x, n = t.n + 1") if table.key else ("do nothing",)
            )
        )
        return Other(
            f"insert into {{t}} as t values ({row}) on conflict{target if 'update' in settle else ''} {settle} returning *"
        )
    column = draw(st.sampled_from(COLUMNS[:3]))
    wanted = literal(draw(values(column.type, nullable=True)), column.type)
    where = draw(st.sampled_from((f"where {column.name} is not distinct from {wanted}", "")))
    if kind == "update":
        change = draw(
            st.sampled_from(
                ("n = n + 1", "x = -x", "v = v || ''", "k = k + 1", "k = 2 - k", "v = null", "at = null")
            )
        )
        return Other(f"update {{t}} set {change} {where} returning *")
    if kind == "delete":
        return Other(f"delete from {{t}} {where} returning *")
    if kind == "control":
        return Other(
            draw(
                st.sampled_from(
                    ("begin", "commit", "rollback", "savepoint a", "rollback to a", "begin", "commit")
                )
            )
        )
    return Other(
        draw(
            st.sampled_from(
                (
                    "truncate {t}",
                    "merge into {t} as t using (values (1, 'a'), (2, 'b')) as w (k, v) on t.k = w.k and t.v = w.v"
                    " when matched and t.n > 1 then delete when matched then update set n = 7"
                    " when not matched then insert (k, v, n) values (w.k, w.v, 0)",
                    "with gone as (delete from {t} where k = 1 returning k, v, n) insert into {t} (k, v, n) select k + 10, v, n from gone",
                )
            )
        )
    )


def constants(table: Table, row: Row) -> str:
    return ", ".join(
        "null" if v is None else literal(v, c.type) for v, c in zip(row, table.columns, strict=True)
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[Table, History]:
    table = draw(shapes())
    step = st.builds(Step, st.integers(0, SESSIONS - 1), actions(table))
    ticks = st.builds(Ticks, st.sampled_from((1, 2, 1000)))
    return table, draw(st.lists(st.one_of(step, step, step, ticks), min_size=4, max_size=24))


Outcome: TypeAlias = "tuple[str, Any, Any]"
WAITED = {"55P03", "40P01"}  # lock not available, deadlock detected


def outcome(
    conn: psycopg.Connection[Any], table: str, action: Plain | Other, rule: str | None = None
) -> Outcome:
    """Run a statement; return its error, its row count and its rows. With a `rule`, row by row under that clause."""
    try:
        if isinstance(action, Other):
            cursor = conn.execute(action.text.format(t=table).encode())
            return "", cursor.rowcount, sorted(map(str, cursor.fetchall())) if cursor.description else None
        if action.copy and rule is None:
            cursor = conn.cursor()
            with cursor.copy(f"copy {table} from stdin".encode()) as copy:
                for row in action.rows:
                    copy.write_row(row)
            return "", cursor.rowcount, None
        if rule is None:
            listed = ", ".join(f"({', '.join(['%s'] * len(row))})" for row in action.rows)
            cursor = conn.execute(
                f"insert into {table} values {listed} returning *".encode(),
                [v for r in action.rows for v in r],
            )
            return "", cursor.rowcount, sorted(map(str, cursor.fetchall()))
        return one_by_one(conn, table, action, rule)
    except psycopg.Error as error:
        return error.sqlstate or "?", None, None


def one_by_one(conn: psycopg.Connection[Any], table: str, action: Plain, rule: str) -> Outcome:
    found: list[str] = []
    with conn.transaction():
        for row in action.rows:
            marks = ", ".join(["%s"] * len(row))
            cursor = conn.execute(
                f"insert into {table} as t values ({marks}) {rule} returning *".encode(), row
            )
            found += map(str, cursor.fetchall())
    return "", len(found), None if action.copy else sorted(found)


def rule_of(table: Table) -> str:
    """The ON CONFLICT clause that a table's declared rule amounts to."""
    if not table.key:
        return ""
    if table.conflict == "do nothing":
        return "on conflict do nothing"
    rest = [c.name for c in table.columns if c.name not in table.key]
    value = "coalesce(excluded.{0}, t.{0})" if table.conflict == "do update if not null" else "excluded.{0}"
    newer = "true"
    for name in reversed(table.versions):
        newer = (
            f"case when t.{name} is not distinct from excluded.{name} then {newer} when t.{name} is null then true"
            f" when excluded.{name} is null then false else excluded.{name} > t.{name} end"
        )
    settings = ", ".join(f"{name} = {value.format(name)}" for name in rest)
    return f"on conflict ({', '.join(table.key)}) do update set {settings} where {newer}"


@dataclass
class Both:
    """A source and a plain table side by side, each with a connection of every session."""

    dsn: str
    table: Table
    stack: ExitStack
    ours: list[psycopg.Connection[Any]] = field(default_factory=list)
    plain: list[psycopg.Connection[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.worker = self.stack.enter_context(Worker(self.dsn, clock="event"))
        owner = self.stack.enter_context(deploy.connect(self.dsn))
        deploy.deploy_table(owner, "t", self.table.ddl)
        deploy.deploy_view(owner, "counted", COUNTED)
        deploy.deploy_view(owner, "copied", COPIED)
        key = f", primary key ({', '.join(self.table.key)})" if self.table.key else ""
        owner.execute("create schema plain")
        owner.execute(
            f"create table plain.t ({', '.join(f'{c.name} {c.type}' for c in COLUMNS)}{key})".encode()
        )
        for connections in (self.ours, self.plain):
            for _ in range(SESSIONS):
                conn = self.stack.enter_context(psycopg.connect(self.dsn, autocommit=True))
                conn.execute(f"set lock_timeout = '{PATIENCE}'; set timezone = 'UTC'".encode())
                connections.append(conn)

    def step(self, step: Step) -> None:
        ours, plain = self.ours[step.session], self.plain[step.session]
        rule = rule_of(self.table) if isinstance(step.action, Plain) else None
        expected = outcome(plain, "plain.t", step.action, rule)
        actual = outcome(ours, "public.t", step.action)
        if expected[0] in WAITED or actual[0] in WAITED:
            # a row that stays as it is need not be waited for
            assert expected[0] in WAITED, f"{step} waits for another session: {actual}"
            for conn in (ours, plain):
                conn.rollback()
            return
        assert actual == expected, f"{step} gives {actual}, a plain table {expected}"
        if ours.info.transaction_status != psycopg.pq.TransactionStatus.INERROR:
            assert content(ours, "public.t") == content(plain, "plain.t"), f"after {step}"

    def finish(self) -> None:
        """Commit everything, tick until nothing waits, and compare what the engine has made of it."""
        for conn in (*self.ours, *self.plain):
            conn.commit()
        for _ in range(MOST_TICKS):
            if not self.worker.tick().rows:
                break
        look, mirror = self.ours[0], self.plain[0]
        expected = content(mirror, "plain.t")
        assert content(look, "public.t") == expected
        assert (
            content(look, f"(select {', '.join(c.name for c in COLUMNS)} from millstream_data.t)") == expected
        )
        for view, query in (("counted", COUNTED), ("copied", COPIED)):
            assert content(look, view) == content(mirror, f"({query.replace('from t', 'from plain.t')})"), (
                view
            )
        assert look.execute("select * from millstream.dead_row").fetchall() == []
        assert look.execute("select * from millstream_data.t__queue").fetchall() == []


def content(conn: psycopg.Connection[Any], relation: str) -> list[str]:
    """The rows of a relation as texts, which tell 0 from -0."""
    return [row[0] for row in conn.execute(f"select s::text from {relation} as s order by 1".encode())]


def run(case: tuple[Table, History], databases: Databases, tally: Counter[str] | None = None) -> None:
    """Play a history in an empty database; AssertionError where the source is not what a plain table is."""
    table, history = case
    with databases.fresh() as dsn, ExitStack() as stack:
        both = Both(dsn, table, stack)
        for step in history:
            if isinstance(step, Ticks):
                both.worker.tick(batch=step.batch)
            else:
                both.step(step)
        both.finish()
    if tally is not None:
        ticks = sum(isinstance(step, Ticks) for step in history)
        tally.update(
            {"source histories": 1, "source statements": len(history) - ticks, "source ticks": ticks}
        )
