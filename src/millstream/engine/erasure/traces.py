"""What the engine itself remembers of rows: rows and keys set aside, samples of errors, feeds of changes."""

from __future__ import annotations

from collections import Counter

import psycopg

from millstream.compiler.postgres.names import quote

GONE = "(removed: it named a person who was forgotten)"
# A row set aside that has fields of ids is judged by them, any other by what it mentions.
DEAD_ROWS = """
delete from millstream.dead_row as d
where case
    when jsonb_typeof(d.payload) = 'object' and d.payload ?| array['user_id', 'anonymous_id']
        then d.payload ->> 'user_id' = any(%(ids)s) or d.payload ->> 'anonymous_id' = any(%(ids)s)
            or exists (select from unnest(%(ids)s::text[]) as i (id) where length(i.id) >= 6 and strpos(d.payload::text, i.id) > 0)
    else millstream.mentions(d.payload::text, %(ids)s)
end
"""
STATEMENTS = {
    "millstream.dead_row": DEAD_ROWS,
    "millstream.dead_key": "delete from millstream.dead_key as d where d.key && %(ids)s::text[]"
    " or millstream.mentions(array_to_string(d.key, ' ') || ' ' || d.error, %(ids)s)",
    "millstream.evaluation_failure": "delete from millstream.evaluation_failure as f"
    " where millstream.mentions(f.message || ' ' || f.inputs::text, %(ids)s)",
    "millstream.evaluation_error": "delete from millstream.evaluation_error as e"
    " where millstream.mentions(e.message || ' ' || e.expression, %(ids)s)",
}
BLANKED = {
    "millstream.dead_row": "update millstream.dead_row set error = %(gone)s where millstream.mentions(error, %(ids)s)",
    "millstream.evaluation_error": "update millstream.evaluation_error set last_sample = '{}'"
    " where millstream.mentions(last_sample::text, %(ids)s)",
    "millstream.suspended": "update millstream.suspended set error = %(gone)s where millstream.mentions(error, %(ids)s)",
    "millstream.erasure": "update millstream.erasure set error = %(gone)s where millstream.mentions(error, %(ids)s)",
}
# Who reads a feed on from before has to begin with a new snapshot, in which the person is not any more.
FEEDS = """
with cut as (
    select c.schema_name, c.name, max(c.tick) as tick from millstream.feed_change as c
    where millstream.mentions(c.content::text, %(ids)s) group by c.schema_name, c.name
), moved as (
    update millstream.feed as f set since = greatest(f.since, cut.tick)
    from cut where f.schema_name = cut.schema_name and f.name = cut.name
)
delete from millstream.feed_change as c using cut
where c.schema_name = cut.schema_name and c.name = cut.name and c.tick <= cut.tick
"""


def remove_traces(conn: psycopg.Connection, ids: list[str]) -> Counter[str]:
    """Remove what names these ids; returns the rows removed or blanked by relation. The caller has the turn of ticks."""
    values = {"ids": ids, "gone": GONE}
    removed: Counter[str] = Counter()
    for statements in (STATEMENTS, BLANKED, {"millstream.feed_change": FEEDS}):
        for relation, statement in statements.items():
            if count := conn.execute(statement.encode(), values).rowcount:
                removed[relation] += count
    return removed


def renew_statistics(conn: psycopg.Connection, ids: list[str]) -> None:
    """Let statistics be of the rows that are left; ANALYZE leaves those of an empty table as they were."""
    rows = conn.execute(
        "select schemaname, tablename, attname, inherited from pg_stats where millstream.mentions("
        "concat_ws(' ', most_common_vals::text, histogram_bounds::text, most_common_elems::text), %s)",
        [ids],
    ).fetchall()
    for row in rows:
        conn.execute("select pg_clear_attribute_stats(%s, %s, %s, %s)", row)
    for schema, name in sorted({row[:2] for row in rows}):
        conn.execute(f"analyze {quote(schema)}.{quote(name)}".encode())
