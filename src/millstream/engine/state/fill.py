"""Fill a node's table from what its inputs hold now."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.incremental.node import Node
from millstream.compiler.postgres.by_key import body, create_keys
from millstream.compiler.postgres.careful import Tries
from millstream.compiler.postgres.fitting import model_of
from millstream.compiler.postgres.layout import listing
from millstream.compiler.postgres.names import arguments, changes, dollars, quote, table
from millstream.compiler.postgres.rules import node_sql
from millstream.compiler.postgres.statements import ByKey, NodeSql
from millstream.engine.state.describe import describer
from millstream.engine.state.python_rows import call_all
from millstream.engine.state.udf import Functions

OF_VALUES = ("0A", "21", "22", "23", "54", "P0", "XX")  # classes of SQLSTATE that a value can cause

log = logging.getLogger("millstream.build")


def fill(conn: psycopg.Connection, sql: NodeSql, functions: Functions) -> int:
    """Store a node's first rows in its empty table, all in the caller's transaction; return how many.

    What some row makes fail is computed again in the careful form.
    """
    try:
        with conn.transaction():
            return compute(conn, sql, functions)
    except psycopg.Error as error:
        if not is_of_values(error):
            raise
        note_careful(sql, error)
        return fill_carefully(conn, sql, functions)


def is_of_values(error: psycopg.Error) -> bool:
    """Tell whether a value can have caused an error, so that the careful form may go on."""
    return (error.sqlstate or "22")[:2] in OF_VALUES


def note_careful(sql: NodeSql, error: psycopg.Error) -> None:
    """Say in the log why a node is computed in its slower form."""
    first = str(error).splitlines()[0]
    log.warning("building %s failed, and is done carefully: %s", sql.node.name, first)


def compute(conn: psycopg.Connection, sql: NodeSql, functions: Functions, *, careful: bool = False) -> int:
    """Store what a node's SELECT gives, and what Python gives for it."""
    if sql.node.udf is None:
        return store(conn, sql)
    gather(conn, sql)
    call_all(conn, sql, functions, careful=careful)
    rows = store(conn, sql)
    drop_session_tables(conn, sql)
    return rows


def gather(conn: psycopg.Connection, sql: NodeSql) -> None:
    """Put the arguments of the node's Python calls into its session table, for every row of its input."""
    udf = sql.node.udf
    assert udf is not None
    for statement in sql.temporary():
        conn.execute(statement.encode())
    inputs = listing([quote(a.name) for a in udf.input.columns])
    conn.execute(
        f"INSERT INTO {arguments(sql.node.name)} SELECT row_number() OVER (), {inputs} "
        f"FROM ({sql.rows(udf.input)}) AS s".encode()
    )


def store(conn: psycopg.Connection, sql: NodeSql) -> int:
    """Store a node's first rows, where it calls Python those that were computed; return how many."""
    if sql.node.udf is None:
        return insert(conn, sql, sql.result())
    return insert(conn, sql, sql.returned())


def fill_carefully(conn: psycopg.Connection, filled: NodeSql, functions: Functions) -> int:
    """Store a node's rows with NULL for what fails on a value, and without the keys that cannot be computed."""
    node = filled.compiled
    tries = tries_of(node)
    sql = node_sql(node, describer(conn), tries, filled.asked)
    if not node.computes_keys:
        if node.udf is None:
            sql.result()  # which tells what values are to be tried
        with session_functions(conn, tries):
            return compute(conn, sql, functions, careful=True)
    with session_functions(conn, tries):
        for statement in sql.temporary():
            conn.execute(statement.encode())
        statements = sql.from_all_keys()
        if statements.prepare_by is not None:
            compute_keys(conn, sql, statements.prepare_by)
            call_all(conn, sql, functions, careful=True)
        assert statements.derive_by is not None
        compute_keys(conn, sql, statements.derive_by)
    rows = insert(conn, sql, f"SELECT * FROM {changes(node.name)} WHERE {WEIGHT} > 0")
    drop_session_tables(conn, sql)
    return rows


def tries_of(node: Node) -> Tries:
    """What the functions that try a node's operations are called in the session that builds it."""
    mark = hashlib.md5(node.name.encode(), usedforsecurity=False).hexdigest()[:12]
    return Tries(f"millstream_build_{mark}", model_of(node))


def compute_keys(conn: psycopg.Connection, sql: NodeSql, by: ByKey) -> int:
    """Run a statement for all keys, and for each of them where that fails; return how many rows it made."""
    assert sql.tries is not None
    listed, function = f"{sql.tries.prefix}_keys", f"pg_temp.{sql.tries.prefix}"
    conn.execute(create_keys(listed, by).encode())
    text = body(sql, by, model_of(sql.node), f"pg_temp.{listed}")
    conn.execute(f"CREATE FUNCTION {function}() RETURNS bigint LANGUAGE plpgsql AS {dollars(text)}".encode())
    row = conn.execute(f"SELECT {function}()".encode()).fetchone()
    conn.execute(f"DROP FUNCTION {function}; DROP TABLE pg_temp.{listed}".encode())
    return int(row[0]) if row is not None else 0


@contextmanager
def session_functions(conn: psycopg.Connection, tries: Tries) -> Iterator[None]:
    """The functions that try operations, while they are needed."""
    for statement in tries.statements():
        conn.execute(statement.encode())
    yield
    for name in tries.found.values():
        conn.execute(f"DROP FUNCTION {name}".encode())


def insert(conn: psycopg.Connection, sql: NodeSql, rows: str) -> int:
    """Store rows."""
    columns = listing(sql.all_columns())
    into = f"INSERT INTO {table(sql.node.name)} ({columns}) SELECT {columns} FROM ({rows}) AS s"
    return conn.execute(into.encode()).rowcount


def drop_session_tables(conn: psycopg.Connection, sql: NodeSql) -> None:
    """Drop what `temporary` has made."""
    for name in sql.session_tables():
        conn.execute(f"DROP TABLE IF EXISTS {name}".encode())
