"""Bring a database of before to the names of now: what a source declares without quotes is kept in small letters, and the
engine's own columns end where nobody else's may (compiler/algebra/expression.py, OWN).

Views need nothing: another version of the compiler stored them, so they are built again (upgrade.py).
"""

from __future__ import annotations

import logging
from dataclasses import replace

import psycopg

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.incremental.node import HASH
from millstream.compiler.postgres.names import CUT, NUMBER, POSITION, SEQUENCE, pending, queue, quote, table
from millstream.engine.catalog import store
from millstream.engine.catalog.records import StoredTable
from millstream.engine.catalog.store import setting
from millstream.engine.state.locks import enter_turn
from millstream.engine.state.source import source_of

log = logging.getLogger("millstream.upgrade")

DONE = "select value from millstream.setting where name = 'names'"
QUEUE_BEFORE = {"_seq": SEQUENCE, "_pos": POSITION, "_cut": CUT, "_w": WEIGHT}


def rename_columns(conn: psycopg.Connection) -> None:
    """Rename the stored columns of sources that an older version made; in a newer database nothing happens."""
    if conn.execute(DONE).fetchone() is not None:
        return
    with conn.transaction():
        enter_turn(conn)
        if conn.execute(DONE).fetchone() is not None:
            return
        conn.execute("set local client_min_messages = warning")
        converted = setting(conn, "sources") == "tables"
        for state in store.load(conn).tables:
            rename(conn, state, converted)
        conn.execute("insert into millstream.setting values ('names', 'folded')")
        store.raise_epoch(conn)


def rename(conn: psycopg.Connection, state: StoredTable, converted: bool) -> None:
    """Rename the columns of one source, in everything that is stored of it and in what clients see.

    Triggers write out the names; a source that is not `converted` yet gets new ones when it is (convert_sources.py).
    """
    source = source_of(state)
    stored = state.column_names
    new = [column.name for column in source.table.columns]
    renamed = {old: name for old, name in zip(stored, new, strict=True) if old != name}
    for old, name in renamed.items():
        log.warning("the column %s of %s.%s is called %s now", old, state.schema, state.relation, name)
    every = (source.view, table(state.name), queue(state.name), pending(state.name))
    changes = [(relation, old, name) for old, name in renamed.items() for relation in every]
    own = [(table(state.name), "_h", HASH)]
    if converted:
        own += [(queue(state.name), old, name) for old, name in QUEUE_BEFORE.items()]
        own.append((pending(state.name), "_n", NUMBER))
    for relation, old, name in (*changes, *(each for each in own if each[1] not in stored)):
        rename_one(conn, relation, old, name)
    for statement in source.clients.triggers() if converted else ():
        conn.execute(statement.encode())
    columns = tuple((renamed.get(name, name), type_, nullable) for name, type_, nullable in state.columns)
    store.change_table(conn, replace(state, columns=columns, key=source.table.key or (HASH,)))


def rename_one(conn: psycopg.Connection, relation: str, old: str, new: str) -> None:
    """Rename a column of what is there and has it: a queue of before has no generated ones."""
    row = conn.execute(
        "select from pg_attribute where attrelid = to_regclass(%s) and attname = %s", [relation, old]
    ).fetchone()
    if row is not None:
        conn.execute(f"ALTER TABLE {relation} RENAME COLUMN {quote(old)} TO {quote(new)}".encode())
