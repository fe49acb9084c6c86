"""Change feeds: what a tick, a deploy or a rerank changed in the models that somebody watches.

Every change is written in the transaction that makes it, under the number of its tick; what is changed between two
ticks takes a number of its own. A watcher may have shown what it read, so that transaction is on disk before it is
visible (the worker's other ticks may be lost in a crash, and are then made again).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from millstream.compiler.algebra.expression import OWN, WEIGHT
from millstream.compiler.incremental.node import HASH
from millstream.compiler.postgres.names import beside_values, changes, quote, string, table
from millstream.engine.catalog.records import StoredView
from millstream.engine.catalog.store import FEED_CHANNEL, load

CONTENT, AMOUNT = (
    f"content{OWN}",
    f"weight{OWN}",
)  # of a change: its row as JSON, and how often it came or went
CUT = 1000  # letters that are kept of each value of a row that JSON cannot hold
MOST_ROWS = 1_000_000  # how many changes of one model are kept, however young they are


@dataclass(frozen=True)
class Feed:
    """A watched name, and the version that it stands for; None while it stands for nothing."""

    schema: str
    name: str
    state: StoredView | None


class Feeds:
    """The worker's view of what is watched; read again when the number in millstream.clock has changed."""

    def __init__(self) -> None:
        self.version = 0
        self.feeds: list[Feed] = []
        self.careful = False  # whether a row that JSON cannot hold may come

    def spare(self, error: psycopg.Error) -> bool:
        """Cut the rows that JSON cannot hold from now on; false where that is not the matter."""
        known, self.careful = self.careful, True
        return not known and (error.sqlstate or "")[:2] in ("22", "54", "XX")

    def refresh(self, conn: psycopg.Connection, version: int) -> None:
        """Look at what is watched, if that has changed."""
        if version != self.version:
            self.feeds = read_feeds(conn)
            self.version = version

    def record(self, conn: psycopg.Connection, tick: int, now: str, counts: dict[str, int]) -> None:
        """Keep the tick's changes of what is watched; `counts` has the rows in each relation's session table."""
        for feed in self.feeds:
            if feed.state is not None and counts.get(feed.state.name):
                keep_changes(conn, feed, tick, now, of_tick(feed.state, careful=self.careful))


def read_feeds(conn: psycopg.Connection) -> list[Feed]:
    """What is watched, with the versions whose changes were last kept."""
    rows = conn.execute("select schema_name, name, state from millstream.feed").fetchall()
    views = by_name(conn) if rows else {}
    return [Feed(schema, name, views.get(state)) for schema, name, state in rows]


def by_name(conn: psycopg.Connection) -> dict[str, StoredView]:
    """Every version of every materialized view, by its name."""
    return {view.name: view for view in load(conn).views}


def columns_of(state: StoredView) -> list[str]:
    """The columns that readers see, quoted."""
    return [quote(name) for name in state.column_names]


def rows_of(state: StoredView, source: str, extra: Sequence[str] = (), *, careful: bool = False) -> str:
    """The rows of a stored or session table as JSON text in `content`, without what HAVING hides, with extra columns.

    Where `careful`, a row that JSON cannot hold is kept with its values as text, cut.
    """
    guard = f" WHERE d.{quote(state.guard)}" if state.guard else ""
    columns = ", ".join(f"d.{column}" for column in columns_of(state))
    more = "".join(f", d.{column}" for column in extra)
    content = f"(SELECT row_to_json(s) FROM (SELECT {columns}) AS s)::text"
    if careful:
        labels = ", ".join(map(string, state.column_names))
        cut = ", ".join(f"left(d.{column}::text, {CUT})" for column in columns_of(state))
        whole = f"(SELECT millstream.try_json(s) FROM (SELECT {columns}) AS s)"
        content = f"coalesce({whole}, json_object(ARRAY[{labels}], ARRAY[{cut}])::text)"
    return f"SELECT {content} AS {CONTENT}{more} FROM {source} AS d{guard}"


def of_tick(state: StoredView, *, careful: bool = False) -> str:
    """This session's changes of a version, netted: an update takes the old row away, then adds the new one."""
    key = [quote(name) for name in state.key if name != HASH]
    extra = dict.fromkeys([WEIGHT, *key])
    by = ", ".join([CONTENT, *key])
    order = ", ".join([*key, AMOUNT, CONTENT])
    return (
        f"SELECT {by}, sum({WEIGHT})::integer AS {AMOUNT} "
        f"FROM ({rows_of(state, changes(state.name), list(extra), careful=careful)}) AS d GROUP BY {by} HAVING sum({WEIGHT}) <> 0 ORDER BY {order}"
    )


def between(old: StoredView | None, new: StoredView | None) -> str:
    """What tells two versions of a model apart, as changes."""
    before = (
        f"SELECT {CONTENT}, -1 AS w FROM ({rows_of(old, table(old.name), careful=True)}) AS o"
        if old is not None
        else ""
    )
    after = (
        f"SELECT {CONTENT}, 1 AS w FROM ({rows_of(new, table(new.name), careful=True)}) AS n"
        if new is not None
        else ""
    )
    both = " UNION ALL ".join(part for part in (before, after) if part)
    return (
        f"SELECT {CONTENT}, sum(w)::integer AS {AMOUNT} FROM ({both}) AS d GROUP BY {CONTENT} "
        f"HAVING sum(w) <> 0 ORDER BY {AMOUNT}, {CONTENT}"
    )


def keep_changes(conn: psycopg.Connection, feed: Feed, tick: int, now: str, query: str) -> int:
    """Write changes into a feed and wake its watchers; return how many rows that were."""
    cursor = conn.execute(
        "INSERT INTO millstream.feed_change (schema_name, name, tick, now, weight, content) "
        f"SELECT %s, %s, %s, %s, {AMOUNT}, {CONTENT}::json FROM ({beside_values(query)}) AS d".encode(),
        [feed.schema, feed.name, tick, now],
    )
    if cursor.rowcount:
        conn.execute("set local synchronous_commit = on")
        conn.execute("select pg_notify(%s, %s)", [FEED_CHANNEL, f"{feed.schema}.{feed.name}"])
    return cursor.rowcount


def next_tick(conn: psycopg.Connection) -> tuple[int, str]:
    """Take a number for changes that are made between two ticks; the caller's transaction has the turn."""
    row = conn.execute("update millstream.clock set tick = tick + 1 returning tick, now::text").fetchone()
    assert row is not None
    return int(row[0]), str(row[1])


def record_between_ticks(conn: psycopg.Connection, state_name: str) -> None:
    """Keep what stands in this session's table of changes, if somebody watches."""
    watched = [feed for feed in read_feeds(conn) if feed.state is not None and feed.state.name == state_name]
    for feed in watched:
        assert feed.state is not None
        tick, now = next_tick(conn)
        keep_changes(conn, feed, tick, now, of_tick(feed.state))


def follow_names(conn: psycopg.Connection) -> None:
    """Let feeds follow their names to other versions: what the new one has not is taken away, what it has is added.

    Runs in the transaction of a deploy, while both versions are stored.
    """
    rows = conn.execute(
        "select f.schema_name, f.name, f.state, r.state from millstream.feed as f left join millstream.relation as r"
        " on r.schema_name = f.schema_name and r.name = f.name and r.kind = 'materialized_view'"
        " where f.state is distinct from r.state"
    ).fetchall()
    if not rows:
        return
    conn.execute("set local timezone = 'UTC'")
    conn.execute("set local extra_float_digits = 1")
    views = by_name(conn)
    tick, now = next_tick(conn)
    for schema, name, before, after in rows:
        old, new = views.get(before), views.get(after)
        feed = Feed(schema, name, new)
        conn.execute(
            "update millstream.feed set state = %s where schema_name = %s and name = %s",
            [after, schema, name],
        )
        if before is not None and old is None:  # nobody knows any more what it held: watchers must begin anew
            conn.execute(
                "update millstream.feed set since = %s where schema_name = %s and name = %s",
                [tick, schema, name],
            )
        elif not keep_changes(conn, feed, tick, now, between(old, new)):
            conn.execute("select pg_notify(%s, %s)", [FEED_CHANNEL, f"{schema}.{name}"])
    conn.execute("update millstream.clock set feeds = feeds + 1")


def trim(conn: psycopg.Connection) -> None:
    """Forget what is older than its feed keeps, and feeds that nobody reads; the caller's transaction has the turn."""
    conn.execute("select millstream.trim_feeds(%s)", [MOST_ROWS])
