"""Give the sources of an older database tables of their own: until format 3 clients wrote to views over the stored rows.

The rows are copied; what clients had queued is done again, in its order, on the new table, which queues it for the next
tick. Views that stand on a source's name are made again as they were.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import psycopg

from millstream.compiler.postgres.identity import same
from millstream.compiler.postgres.names import DATA, dollars, pending, queue, quote, short, table
from millstream.engine.catalog import store
from millstream.engine.catalog.records import StoredTable
from millstream.engine.catalog.store import setting
from millstream.engine.state.locks import enter_turn
from millstream.engine.state.rights import grant
from millstream.engine.state.source import Source, source_of
from millstream.errors import MillstreamError

log = logging.getLogger("millstream.upgrade")

BEFORE = "queue before"  # the queue of a view, while it is done again


@dataclass(frozen=True)
class Standing:
    """A view that stands on a source, and who may read it."""

    name: str
    query: str
    options: str | None
    grants: tuple[str, ...]


def convert_sources(conn: psycopg.Connection) -> None:
    """Convert every source of a database that an older version made; in a newer one nothing happens."""
    if setting(conn, "sources") == "tables":
        return
    with conn.transaction():
        enter_turn(conn)
        if setting(conn, "sources") == "tables":
            return
        conn.execute("set local client_min_messages = warning")
        states = store.load(conn).tables
        sources = [(state, source_of(state)) for state in states]
        views = standing(conn, [source.view for _, source in sources])
        for view in reversed(views):
            conn.execute(f"DROP VIEW {view.name}".encode())
        for state, source in sources:
            log.warning("the source %s.%s becomes a table", state.schema, state.relation)
            convert(conn, state, source)
        for view in views:
            options = f" WITH ({view.options})" if view.options else ""
            conn.execute(f"CREATE VIEW {view.name}{options} AS {view.query}".encode())
            for right in view.grants:
                conn.execute(right.encode())
        conn.execute("update millstream.setting set value = 'tables' where name = 'sources'")
        store.raise_epoch(conn)


def standing(conn: psycopg.Connection, sources: list[str]) -> list[Standing]:
    """The views that read sources, those that are read first."""
    rows = conn.execute(
        """
        with recursive above as (
            select c.oid, 0 as depth from pg_class as c where c.oid = any (%s::regclass[])
            union all
            select r.ev_class, above.depth + 1
            from above
            join pg_depend as d
                on d.refclassid = 'pg_class'::regclass and d.refobjid = above.oid and d.classid = 'pg_rewrite'::regclass
            join pg_rewrite as r on r.oid = d.objid and r.ev_class <> above.oid
        )
        select
            format('%%I.%%I', n.nspname, c.relname), pg_get_viewdef(c.oid), array_to_string(c.reloptions, ', '),
            array(
                select format('GRANT %%s ON %%I.%%I TO %%s', a.privilege_type, n.nspname, c.relname,
                    case when a.grantee = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end)
                from aclexplode(c.relacl) as a where a.grantee <> c.relowner
            )
        from (select oid, max(depth) as depth from above where depth > 0 group by oid) as a
        join pg_class as c on c.oid = a.oid and c.relkind = 'v'
        join pg_namespace as n on n.oid = c.relnamespace
        order by a.depth, c.oid
        """,
        [sources],
    ).fetchall()
    return [Standing(row[0], row[1].rstrip().rstrip(";"), row[2], tuple(row[3])) for row in rows]


def convert(conn: psycopg.Connection, state: StoredTable, source: Source) -> None:
    """Put a table in the place of one view, with its rows and what was done to them."""
    columns = ", ".join(source.columns)
    conn.execute(f"ALTER TABLE {queue(state.name)} RENAME TO {quote(BEFORE)}".encode())
    try:
        conn.execute(f"DROP VIEW {source.view}".encode())
    except psycopg.errors.DependentObjectsStillExist as error:
        raise MillstreamError(
            f"{state.relation} becomes a table, and something that Millstream did not make stands on it: "
            f"{error.diag.message_detail}\n  hint: drop that, start again, and make it again"
        ) from error
    conn.execute(f"DROP FUNCTION IF EXISTS {DATA}.{quote(short(state.name + '__write'))}".encode())
    for statement in source.clients.create():
        conn.execute(statement.encode())
    conn.execute(f"ALTER TABLE {source.view} DISABLE TRIGGER USER".encode())
    conn.execute(f"INSERT INTO {source.view} ({columns}) SELECT {columns} FROM {table(state.name)}".encode())
    conn.execute(f"ALTER TABLE {source.view} ENABLE TRIGGER USER".encode())
    conn.execute(again(source).encode())
    conn.execute(source.create_pending().encode())
    grant(conn, state.schema, state.relation, "table")
    store.note(conn, state.name, "pending", pending(state.name))
    conn.execute(f"DROP TABLE {DATA}.{quote(BEFORE)}".encode())


def again(source: Source) -> str:
    """Do the queued operations again: i inserts by the table's rule, u writes a row over its key, d deletes it."""
    given = source.clients.given
    into = f"INSERT INTO {source.view} ({', '.join(given)}) VALUES ({', '.join(f'q.{c}' for c in given)})"
    if source.table.key:
        match = " AND ".join(f"t.{k} = q.{k}" for k in source.clients.key)
        delete = f"DELETE FROM {source.view} AS t WHERE {match}"
    else:
        match = same([(name, type_) for name, type_ in source.typed if name in given], "t", "q")
        delete = f"DELETE FROM {source.view} WHERE ctid = (SELECT t.ctid FROM {source.view} AS t WHERE {match} LIMIT 1)"
    text = (
        f" DECLARE q record; BEGIN FOR q IN SELECT * FROM {DATA}.{quote(BEFORE)} ORDER BY _seq LOOP "
        f"IF q._op IN ('u', 'd') THEN {delete}; END IF; IF q._op IN ('u', 'i') THEN {into}; END IF; "
        "END LOOP; END "
    )
    return f"DO {dollars(text)}"
