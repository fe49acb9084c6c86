"""Pair counts, the 50 best neighbours of each item and trending items, kept by delta SQL written by hand.

This is what an engineer would write for these three views alone, with every trick that the engine uses: one transaction,
prepared statements in a pipeline, session tables that are cleared with DELETE. It is the yardstick of bench.overhead,
which runs `VIEWS` on the engine beside it.
"""

from __future__ import annotations

import time
from datetime import datetime

import psycopg

SOURCE = """
create table purchases (
    event_id varchar primary key, user_id varchar, session_id varchar, item_id varchar, occurred_at timestamptz
) on conflict do nothing
"""

VIEWS = {
    "session_items": "select session_id, item_id, count(*) as lines from purchases group by session_id, item_id",
    "pair_counts": """
        select a.item_id as item_a, b.item_id as item_b, count(*) as sessions
        from session_items as a
        inner join session_items as b on b.session_id = a.session_id and b.item_id > a.item_id
        group by a.item_id, b.item_id
    """,
    "neighbours": """
        with directed as (
            select item_a as item_id, item_b as neighbour_id, sessions from pair_counts
            union all
            select item_b as item_id, item_a as neighbour_id, sessions from pair_counts
        ),
        ranked as (
            select
                item_id, neighbour_id, sessions,
                row_number() over (partition by item_id order by sessions desc, neighbour_id) as rn
            from directed
        )
        select
            item_id,
            array_agg(neighbour_id order by sessions desc, neighbour_id) as neighbour_ids,
            array_agg(sessions order by sessions desc, neighbour_id) as counts
        from ranked
        where rn <= 50
        group by item_id
    """,
    "user_items": """
        select user_id, item_id, max(occurred_at) as last_at from purchases group by user_id, item_id
    """,
    "recent_users": """
        select item_id, count(*) as users from user_items
        where last_at > now() - interval '24 hours'
        group by item_id
    """,
    "trending": """
        with best as (select item_id, users from recent_users order by users desc, item_id limit 100)
        select array_agg(item_id order by users desc, item_id) as item_ids from best
    """,
}
"""The views, in RisingWave's dialect, each reading those above it."""

SCHEMA = """
create schema hand;
create table hand.queue (event_id text, user_id text, session_id text, item_id text, occurred_at timestamptz);
create table hand.purchases (
    event_id text primary key, user_id text, session_id text, item_id text, occurred_at timestamptz
);
create table hand.session_items (
    session_id text, item_id text, lines bigint not null, primary key (session_id, item_id)
) with (fillfactor = 80);
create table hand.pair_counts (
    item_a text, item_b text, sessions bigint not null, primary key (item_a, item_b)
) with (fillfactor = 80);
create index on hand.pair_counts (item_a, sessions desc, item_b);
create index on hand.pair_counts (item_b, sessions desc, item_a);
create table hand.neighbours (
    item_id text primary key, neighbour_ids text[], counts bigint[]
) with (fillfactor = 80);
create table hand.user_items (
    user_id text, item_id text, last_at timestamptz, primary key (user_id, item_id)
) with (fillfactor = 80);
create index on hand.user_items (last_at);
create table hand.recent_users (item_id text primary key, users bigint not null) with (fillfactor = 80);
create index on hand.recent_users (users desc, item_id);
create table hand.trending (id int primary key default 1, item_ids text[]);
create table hand.clock (tick bigint not null, now timestamptz not null);
insert into hand.clock values (0, '-infinity');
"""

SESSION = """
create temp table new_purchases (user_id text, session_id text, item_id text, occurred_at timestamptz);
create temp table new_session_items (session_id text, item_id text);
create temp table touched (item_id text);
create temp table recent_change (item_id text, change bigint);
"""

TICK = (
    "delete from new_purchases",
    "delete from new_session_items",
    "delete from touched",
    "delete from recent_change",
    """
    with taken as (delete from hand.queue returning *),
    fresh as (
        insert into hand.purchases select * from taken on conflict do nothing
        returning user_id, session_id, item_id, occurred_at
    )
    insert into new_purchases select * from fresh
    """,
    """
    with written as (
        insert into hand.session_items
        select session_id, item_id, count(*) from new_purchases group by session_id, item_id
        on conflict (session_id, item_id) do update set lines = session_items.lines + excluded.lines
        returning new.session_id, new.item_id, old.session_id is null as is_new
    )
    insert into new_session_items select session_id, item_id from written where is_new
    """,
    """
    with met as (
        select distinct n.session_id, least(n.item_id, s.item_id) as item_a, greatest(n.item_id, s.item_id) as item_b
        from new_session_items as n
        inner join hand.session_items as s on s.session_id = n.session_id and s.item_id <> n.item_id
    ),
    written as (
        insert into hand.pair_counts
        select item_a, item_b, count(*) from met group by item_a, item_b
        on conflict (item_a, item_b) do update set sessions = pair_counts.sessions + excluded.sessions
        returning item_a, item_b
    )
    insert into touched select item_a from written union select item_b from written
    """,
    """
    insert into hand.neighbours
    select t.item_id, best.ids, best.counts
    from touched as t
    cross join lateral (
        select array_agg(id order by n desc, id) as ids, array_agg(n order by n desc, id) as counts
        from (
            select id, n
            from (
                (
                    select item_b as id, sessions as n from hand.pair_counts
                    where item_a = t.item_id order by sessions desc, item_b limit 50
                )
                union all
                (
                    select item_a, sessions from hand.pair_counts
                    where item_b = t.item_id order by sessions desc, item_a limit 50
                )
            ) as both_ways
            order by n desc, id
            limit 50
        ) as ranked
    ) as best
    on conflict (item_id) do update set neighbour_ids = excluded.neighbour_ids, counts = excluded.counts
    where (neighbours.neighbour_ids, neighbours.counts) is distinct from (excluded.neighbour_ids, excluded.counts)
    """,
    """
    insert into recent_change
    select u.item_id, -1 from hand.user_items as u, hand.clock as c
    where u.last_at > c.now - interval '24 hours' and u.last_at <= $1 - interval '24 hours'
    """,
    """
    with written as (
        insert into hand.user_items
        select user_id, item_id, max(occurred_at) from new_purchases group by user_id, item_id
        on conflict (user_id, item_id) do update set last_at = greatest(user_items.last_at, excluded.last_at)
        returning new.item_id, old.last_at as old_at, new.last_at as new_at
    )
    insert into recent_change
    select
        item_id,
        (new_at > $1 - interval '24 hours')::int - coalesce(old_at > $1 - interval '24 hours', false)::int
    from written
    """,
    """
    insert into hand.recent_users
    select item_id, sum(change) from recent_change group by item_id having sum(change) <> 0
    on conflict (item_id) do update set users = recent_users.users + excluded.users
    """,
    "delete from hand.recent_users where users = 0 and item_id = any(array(select item_id from recent_change))",
    """
    insert into hand.trending (item_ids)
    select (
        select array_agg(item_id order by users desc, item_id)
        from (select * from hand.recent_users order by users desc, item_id limit 100) as best
    )
    where exists (select 1 from recent_change where change <> 0)
    on conflict (id) do update set item_ids = excluded.item_ids where trending.item_ids is distinct from excluded.item_ids
    """,
    "update hand.clock set tick = tick + 1, now = $1",
)


VACUUM_TICKS = 5


class Handwritten:
    """The tables and the session that ticks them."""

    def __init__(self, dsn: str, settings: dict[str, str]) -> None:
        """Make the tables; `settings` are those of the engine's worker session."""
        self.ticks = 0
        self.conn = psycopg.connect(dsn, autocommit=True)
        for name, value in settings.items():
            self.conn.execute("select set_config(%s, %s, false)", [name, value])
        self.conn.execute(SCHEMA.encode())
        self.conn.execute(SESSION.encode())
        self.cursor = psycopg.RawCursor(self.conn)

    def close(self) -> None:
        """Let go of the database."""
        self.conn.close()

    def tick(self, now: datetime) -> float:
        """Apply what is queued as of `now`; return the milliseconds, the session's vacuum now and then included."""
        began = time.perf_counter()
        self.ticks += 1
        with self.conn.pipeline(), self.conn.transaction():
            for statement in TICK:
                self.cursor.execute(statement.encode(), [now] if "$1" in statement else None, prepare=True)
        if self.ticks % VACUUM_TICKS == 0:
            self.conn.execute("vacuum new_purchases, new_session_items, touched, recent_change")
        return (time.perf_counter() - began) * 1000
