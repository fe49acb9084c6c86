"""Looking for a text in everything that a home stores: every column of every relation, statistics, definitions, files."""

from __future__ import annotations

from pathlib import Path

import psycopg

RELATIONS = """
select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'm', 'v') and n.nspname not in ('information_schema', 'pg_toast') and n.nspname !~ '^pg_temp'
    and c.relname not in ('pg_statistic', 'pg_statistic_ext_data') and (c.relkind <> 'v' or n.nspname <> 'pg_catalog')
order by 1
"""
STATISTICS = """
select schemaname || '.' || tablename || '.' || attname from pg_stats
where strpos(concat_ws(' ', most_common_vals, histogram_bounds, most_common_elems), %s) > 0
"""
DEFINITIONS = """
select 'definition of ' || c.oid::regclass::text from pg_class as c
where c.relkind in ('v', 'm') and strpos(pg_get_viewdef(c.oid), %(text)s) > 0
union all
select 'definition of ' || p.proname from pg_proc as p
where p.prokind in ('f', 'p') and strpos(pg_get_functiondef(p.oid), %(text)s) > 0
"""


def in_relations(owner: psycopg.Connection, text: str) -> set[str]:
    """The relations that have the text in a row, the columns in whose statistics it is, and the definitions."""
    found = set()
    for (name,) in owner.execute(RELATIONS).fetchall():
        query = f"select exists (select from {name} as t where strpos(row(t.*)::text, %s) > 0)"
        row = owner.execute(query.encode(), [text]).fetchone()
        if row is not None and row[0]:
            found.add(str(name).replace('"', ""))
    found |= {row[0] for row in owner.execute(STATISTICS, [text])}
    return found | {row[0] for row in owner.execute(DEFINITIONS, {"text": text})}


def in_files(home: Path, text: str) -> set[str]:
    """The files of a home, by their paths in it, that have the text; without the write-ahead log."""
    found = set()
    for path in sorted(home.rglob("*")):
        place = path.relative_to(home)
        if path.is_file() and "pg_wal" not in place.parts and text.encode() in path.read_bytes():
            found.add(str(place))
    return found
