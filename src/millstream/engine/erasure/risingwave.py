"""Forget people on RisingWave: deletes over the wire, each visible after FLUSH; an append-only table keeps what it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import psycopg

from millstream.compiler.postgres.names import quote
from millstream.engine.erasure.columns import ID_COLUMNS, MESSAGE_COLUMNS, Holder
from millstream.engine.erasure.people import People, follow
from millstream.engine.erasure.remove import bury, delete_rows
from millstream.errors import MillstreamError

COLUMNS = """
select k.table_name, k.column_name
from information_schema.columns as k
where k.table_schema = 'public'
"""
TABLES = """
select c.relname from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname = 'public'
"""


def forget(
    conn: psycopg.Connection, people: People, flush: Callable[[], object] | None = None
) -> tuple[Counter[str], list[str]]:
    """Remove people; returns the rows by table, and the tables that hold messages and cannot be deleted from.

    `conn` is a superuser's, in autocommit: RisingWave has no transactions that write, so tombstones come first. Run again
    after a failure; what is done already is found done. `flush` stands for the statement FLUSH.
    """
    settle = flush or (lambda: conn.execute("flush"))
    tables = found_tables(conn)
    if "public.tombstones" not in {holder.plain for holder in tables}:
        raise MillstreamError("the table tombstones is not there\n  hint: dbt run --target risingwave")
    removed: Counter[str] = Counter()
    rows = -1
    while rows != 0:
        settle()
        follow(conn, people)
        bury(conn, people)
        rows = 0
        for holder in tables:
            count = delete_rows(conn, holder, people)
            rows += count
            removed[holder.plain] += count
        settle()
    return +removed, [holder.plain for holder in tables if holder.messages]


def found_tables(conn: psycopg.Connection) -> list[Holder]:
    """The tables of the project, with their columns of ids and of messages."""
    tables = {row[0] for row in conn.execute(TABLES)}
    columns: dict[str, list[str]] = {}
    for table, column in conn.execute(COLUMNS).fetchall():
        if table in tables:
            columns.setdefault(table, []).append(column)
    return [
        Holder(
            f"public.{quote(table)}",
            tuple(name for name in ID_COLUMNS if name in names),
            tuple(name for name in MESSAGE_COLUMNS if name in names),
        )
        for table, names in sorted(columns.items())
    ]
