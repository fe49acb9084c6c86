"""What a materialized view gains and loses, as it happens: the embedded engine's change feed.

A position is the number of a tick. Whoever stores the last position that it has dealt with goes on after it and misses
nothing, as long as the changes are kept (docs/howto/watch.md).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import groupby
from typing import Any

import psycopg

from millstream.compiler.postgres.names import quote
from millstream.engine.catalog.notifications import take_notifications
from millstream.engine.catalog.store import FEED_CHANNEL
from millstream.errors import MillstreamError
from millstream.feeds.change import RETRY_SECONDS, Batch, Change, Dsn, Gone, Say, first_line

HOUR = timedelta(hours=1)
WAIT_SECONDS = 0.5  # how long a watcher sleeps at most before it looks whether it shall stop
MISLED_SECONDS = 0.02  # how long a notification with nothing behind it, which anybody may send, keeps it from looking again
RENEW_SECONDS = 10.0  # how often it says that it is still there
# The materialized views that a plain view reads, itself or through other plain views.
READ_BY_VIEW = """
with recursive read as (
    select to_regclass(%s)::oid as view
    union
    select d.refobjid from read
    join pg_rewrite as r on r.ev_class = read.view
    join pg_depend as d
        on d.objid = r.oid and d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass
)
select distinct m.name from read
join millstream.relation as m on to_regclass(format('%%I.%%I', m.schema_name, m.name)) = read.view
where m.kind = 'materialized_view' order by m.name
"""
PART = 1000  # rows of one batch of a snapshot, and changes of one read


def changes(dsn: Dsn, model: str, **options: Any) -> Iterator[Change]:
    """Yield every change of a materialized view, for ever; options are those of `batches`."""
    for batch in batches(dsn, model, **options):
        yield from batch.changes


def batches(
    dsn: Dsn,
    model: str,
    *,
    after: int | None = None,
    snapshot: bool = False,
    keep: timedelta = HOUR,
    stop: threading.Event | None = None,
    say: Say = lambda _: None,
) -> Iterator[Batch]:
    """Yield what changes in `model` (name or schema.name), tick by tick, until `stop` is set.

    Begins with the next tick; with `after`, behind that tick; with `snapshot`, with the rows of now as additions. When
    the server goes away this connects again, calling `dsn` again if it is a function, and goes on where it was. Changes
    are kept for `keep`, and so is the feed after its last watcher. The owner's connection string is needed.

    Raises MillstreamError for an unknown model, Gone where changes after the position are not kept.
    """
    watcher = Watcher(dsn, model, keep, stop or threading.Event(), say)
    with watcher:
        watcher.connect()
        yield from watcher.start(after, snapshot=snapshot)
        yield from watcher.follow()


class Watcher:
    """A connection that follows one model, made again when it breaks."""

    def __init__(self, dsn: Dsn, model: str, keep: timedelta, stop: threading.Event, say: Say) -> None:
        self.dsn = dsn if callable(dsn) else lambda: dsn
        self.model = model
        self.keep = keep
        self.stop = stop
        self.say = say
        self.conn: psycopg.Connection | None = None
        self.schema, self.name = "", ""
        self.position = 0
        self.state: str | None = None
        self.renewed = 0.0
        self.misled = False  # by the last notification

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        if self.conn is not None:
            self.conn.close()

    @property
    def link(self) -> psycopg.Connection:
        """The connection, which must be there."""
        assert self.conn is not None
        return self.conn

    def connect(self) -> None:
        """Connect and register; the first time, find the model."""
        if self.conn is not None:
            self.conn.close()
        self.conn = psycopg.connect(self.dsn(), autocommit=True, application_name="millstream watch")
        # what is read is shown: it must be on disk, which this session's own commits see to
        for setting in ("timezone = 'UTC'", "synchronous_commit = on", "client_min_messages = error"):
            self.conn.execute(f"set {setting}".encode())
        if not self.name:
            self.schema, self.name = find(self.conn, self.model)
        self.conn.execute(f"listen {FEED_CHANNEL}".encode())
        self.renew()

    def register(self, conn: psycopg.Connection) -> None:
        """Say on a connection that somebody watches: changes are kept from now on."""
        conn.execute("select millstream.watch(%s, %s, %s)", [self.schema, self.name, self.keep])

    def renew(self) -> None:
        """Say again that somebody watches."""
        self.register(self.link)
        self.renewed = time.monotonic()

    def start(self, after: int | None, *, snapshot: bool) -> Iterator[Batch]:
        """Find the first position; yield the rows of now, if they are wanted."""
        conn = self.link
        if snapshot:
            yield from self.snapshot()
            return
        row = conn.execute(
            "select c.tick, f.since, f.state from millstream.clock as c cross join millstream.feed as f"
            " where f.schema_name = %s and f.name = %s",
            [self.schema, self.name],
        ).fetchone()
        assert row is not None
        last, since, self.state = row
        self.renew()  # its commit brings everything to disk that was visible before
        self.position = last if after is None else after
        if self.position > last:
            raise Gone(
                f"tick {after} has not been yet: the last one is {last}\n"
                "  hint: the database was made anew since? begin with --snapshot"
            )
        if self.position < since:
            raise self.gone(since)

    def gone(self, since: int) -> Gone:
        """The error for a position that is too old."""
        return Gone(
            f"the changes of {self.name} after tick {self.position} are not kept: the feed begins after tick {since}\n"
            "  hint: begin anew with --snapshot; --keep says how long a feed outlives its watcher"
        )

    def snapshot(self) -> Iterator[Batch]:
        """Yield the rows that are there, as of one tick; their order is not told."""
        view = f"{quote(self.schema)}.{quote(self.name)}"
        conn = self.link
        with conn.transaction():
            conn.execute("set transaction isolation level repeatable read")
            # before the transaction's snapshot is taken: the view must not be swapped under it
            try:
                conn.execute(f"lock table {view} in access share mode".encode())
            except psycopg.errors.UndefinedTable as error:
                raise MillstreamError(
                    f"{self.model} was dropped, so it has no rows to begin with\n  hint: deploy it, or use --from"
                ) from error
            row = conn.execute(
                "select c.tick, case when isfinite(c.now) then c.now end, f.state from millstream.clock as c"
                " cross join millstream.feed as f where f.schema_name = %s and f.name = %s",
                [self.schema, self.name],
            ).fetchone()
            assert row is not None
            tick, moment, self.state = row
            with psycopg.connect(self.dsn(), autocommit=True) as other:  # brings the snapshot's tick to disk
                other.execute("set synchronous_commit = on")
                self.register(other)
            with conn.cursor("snapshot") as cursor:
                cursor.execute(f"select row_to_json(v) from {view} as v".encode())
                while rows := cursor.fetchmany(PART):
                    yield Batch(
                        tick, tuple(Change(tick, moment, "+", row[0]) for row in rows), complete=False
                    )
        self.position = tick
        yield Batch(tick, ())

    def follow(self) -> Iterator[Batch]:
        """Yield what comes, connecting again as often as is needed."""
        while not self.stop.is_set():
            try:
                found = self.read()
            except psycopg.OperationalError as error:
                self.say(f"the server is away ({first_line(error)}): connecting again")
                self.reconnect()
                continue
            self.misled = self.misled and not found
            for batch in found:
                yield batch
                assert batch.tick is not None
                self.position = batch.tick
            if not found:
                try:
                    self.wait()
                except psycopg.OperationalError:
                    continue  # the next read finds it too, and says so

    def reconnect(self) -> None:
        """Try until the server is back or the watcher shall stop."""
        pause, longest = RETRY_SECONDS
        while not self.stop.wait(pause):
            try:
                self.connect()
            except (psycopg.OperationalError, MillstreamError):
                pause = min(pause * 2, longest)
                continue
            self.say(f"connected again; going on after tick {self.position}")
            return

    def read(self) -> list[Batch]:
        """The next whole ticks after the position, as many as fit a read; at least one if there is one."""
        if time.monotonic() - self.renewed > RENEW_SECONDS:
            self.renew()
        conn = self.link
        with conn.transaction():
            conn.execute("set transaction isolation level repeatable read")
            row = conn.execute(
                "select f.since, f.state, c.tick from millstream.clock as c left join millstream.feed as f"
                " on f.schema_name = %s and f.name = %s",
                [self.schema, self.name],
            ).fetchone()
            assert row is not None
            since, state, last = row
            if since is None or since > self.position or last < self.position:
                raise self.gone(last if since is None else since)
            rows = self.changes_of("tick > %s", self.position, limit=PART)
            if len(rows) == PART:
                whole = [row for row in rows if row[0] != rows[-1][0]]
                rows = whole or self.changes_of("tick = %s", rows[0][0])
        self.announce(state)
        return [
            Batch(tick, tuple(change for row in of_tick for change in expand(*row)))
            for tick, of_tick in groupby(rows, key=lambda row: row[0])
        ]

    def changes_of(self, condition: str, tick: int, limit: int | None = None) -> list[tuple[Any, ...]]:
        """Stored changes in their order."""
        return self.link.execute(
            "select tick, case when isfinite(now) then now end, weight, content from millstream.feed_change"
            f" where schema_name = %s and name = %s and {condition} order by tick, position limit %s".encode(),
            [self.schema, self.name, tick, limit],
        ).fetchall()

    def announce(self, state: str | None) -> None:
        """Tell when the model was deployed again or dropped since the last look."""
        if state == self.state:
            return
        if state is None:
            self.say(f"{self.name} was dropped: its rows are taken back; waiting for it to be deployed again")
        else:
            self.say(
                f"{self.name} was deployed again: what the new version has not is taken back, the rest added"
            )
        self.state = state

    def wait(self) -> None:
        """Sleep until the feed has something, or for a moment; take all notifications that have come."""
        if self.misled:
            self.stop.wait(MISLED_SECONDS)
        self.misled = take_notifications(self.link, WAIT_SECONDS)


def expand(tick: int, moment: datetime | None, weight: int, row: dict[str, Any]) -> list[Change]:
    """One change for each copy of a row."""
    at = moment.astimezone(UTC) if moment is not None else None
    return [Change(tick, at, "+" if weight > 0 else "-", row)] * abs(weight)


def instead(conn: psycopg.Connection, schema: str, name: str, kind: str) -> str:
    """What to watch in place of something that has no feed."""
    if kind == "table":
        return "watch a materialized view that reads it; `millstream explain` tells which do"
    read = [row[0] for row in conn.execute(READ_BY_VIEW, [f"{quote(schema)}.{quote(name)}"])]
    return f"watch what it reads ({', '.join(read)}), or materialize it" if read else "materialize it"


def find(conn: psycopg.Connection, model: str) -> tuple[str, str]:
    """Find a materialized view by its name. Raises MillstreamError that names what is alike."""
    if conn.execute("select to_regclass('millstream.feed') is null").fetchone() == (True,):
        raise MillstreamError(
            "this database keeps no change feeds yet\n  hint: `millstream up` brings its catalogue to this version"
        )
    schema, _, name = model.rpartition(".")
    rows = conn.execute("select schema_name, name, kind from millstream.relation").fetchall()
    kinds = {(row[0], row[1]): row[2] for row in rows}
    kind = kinds.get((schema or "public", name))
    followed = conn.execute(
        "select 1 from millstream.feed where schema_name = %s and name = %s", [schema or "public", name]
    ).fetchone()
    if kind == "materialized_view" or followed:  # a feed goes on while its model is dropped
        return schema or "public", name
    watchable = sorted(n for (_, n), k in kinds.items() if k == "materialized_view")
    alike = get_close_matches(name, watchable, n=3)
    hint = f"did you mean {', '.join(alike)}?" if alike else "`millstream status` lists what is deployed"
    if kind is not None:
        what = kind.replace("_", " ")
        raise MillstreamError(
            f"{model} is a {what}, and only a materialized view has a feed\n"
            f"  hint: {instead(conn, schema or 'public', name, kind)}"
        )
    raise MillstreamError(f"no model {model} is deployed\n  hint: {hint}")
