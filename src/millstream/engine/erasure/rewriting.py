"""Rewrite relations, so that the bytes of deleted rows are in no file of theirs."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable
from pathlib import Path

import psycopg

from millstream.compiler.postgres.names import quote
from millstream.engine.erasure.columns import plain

POLL_SECONDS = 0.05
OLDER = """
select 1 from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and xact_start < %s
    and (backend_xmin is not null or backend_xid is not null)
limit 1
"""
# The table of a file's relation (that of a TOAST table or an index is the one that brings it along), and the index if it
# can be rewritten by itself.
RELATIONS = """
select distinct format('%%I.%%I', n.nspname, t.relname), case when c.relkind = 'i' and n.nspname <> 'pg_catalog'
    and h.relkind = 'r' then c.oid::regclass::text end
from unnest(%s::oid[]) as f (number)
join pg_class as c on c.oid = pg_filenode_relation(0, f.number)
left join pg_index as x on x.indexrelid = c.oid
join pg_class as h on h.oid = coalesce(x.indrelid, c.oid)
join pg_class as t on t.oid = case when h.relkind = 't' then (select p.oid from pg_class as p where p.reltoastrelid = h.oid)
    else h.oid end
join pg_namespace as n on n.oid = t.relnamespace
"""
# Relations that can have rows or values of people: those that are not the server's own, and statistics.
OF_PEOPLE = """
select f.number::bigint from unnest(%s::oid[]) as f (number)
join pg_class as c on c.oid = pg_filenode_relation(0, f.number)
where c.oid >= 16384 or c.oid in (
    select unnest(array[s.oid, s.reltoastrelid]) from pg_class as s
    where s.oid in ('pg_statistic'::regclass, 'pg_statistic_ext_data'::regclass)
)
"""
TABLES = """
select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and c.relpersistence <> 't'
    and (c.oid >= 16384 or c.oid in ('pg_statistic'::regclass, 'pg_statistic_ext_data'::regclass))
order by 1, 2
"""


def await_older(conn: psycopg.Connection, deadline: float) -> bool:
    """Wait for the transactions of this database that may see what was deleted; whether none is left at `deadline`."""
    row = conn.execute("select clock_timestamp()").fetchone()
    while conn.execute(OLDER, row).fetchone() is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def numbers_of(paths: Iterable[Path]) -> list[int]:
    """The numbers of the files of relations among these, without those of free space and visibility."""
    return sorted({int(path.name.split(".")[0]) for path in paths if re.fullmatch(r"\d+(\.\d+)?", path.name)})


def of_people(conn: psycopg.Connection, paths: Iterable[Path]) -> list[Path]:
    """The files among these, of this database, whose relation can have something of people."""
    among = list(paths)
    numbers = {row[0] for row in conn.execute(OF_PEOPLE, [numbers_of(among)])}
    return [path for path in among if numbers.intersection(numbers_of([path]))]


def relations_of(conn: psycopg.Connection, paths: Iterable[Path]) -> tuple[set[str], set[str]]:
    """What has to be rewritten to renew these files of this database: tables, and indexes of others."""
    rows = conn.execute(RELATIONS, [numbers_of(paths)]).fetchall()
    tables = {table for table, index in rows if index is None}
    return tables, {index for table, index in rows if index is not None and table not in tables}


def rewrite(conn: psycopg.Connection, found: Iterable[Path], often: Collection[str]) -> list[str]:
    """Rewrite the relations that these files belong to; returns their names.

    One that is in use for long is left, and one that was rewritten often: its rows of now have the text.
    """
    tables, indexes = relations_of(conn, found)
    done = []
    for verb, names in (("vacuum full", tables), ("reindex index", indexes)):
        for name in sorted(names):
            if plain(name) not in often and done_if_free(conn, f"{verb} {name}"):
                done.append(plain(name))
    return done


def rewrite_all(conn: psycopg.Connection, deadline: float) -> tuple[list[str], list[str]]:
    """Rewrite every table that can have had rows of people; returns the names of those rewritten and those not.

    A table that is in use for longer than the lock timeout is left. All are, while a transaction of before runs at
    `deadline`: it may see deleted rows, which would be kept.
    """
    tables = [f"{quote(schema)}.{quote(name)}" for schema, name in conn.execute(TABLES).fetchall()]
    if not await_older(conn, deadline):
        return [], list(map(plain, tables))
    outcomes = {name: done_if_free(conn, f"vacuum full {name}") for name in tables}
    done = [plain(name) for name, outcome in outcomes.items() if outcome]
    return done, [plain(name) for name, outcome in outcomes.items() if outcome is False]


def done_if_free(conn: psycopg.Connection, statement: str) -> bool | None:
    """Run a statement about one relation; False where that is in use for too long, None where it is gone meanwhile."""
    try:
        conn.execute(statement.encode())
    except psycopg.errors.UndefinedTable:
        return None
    except psycopg.errors.LockNotAvailable:
        return False
    return True
