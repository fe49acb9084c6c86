"""Fill a node's table from what its inputs hold now."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from millstream.delta.node import Node
from millstream.emit.names import arguments, quote, results, table
from millstream.emit.render import listing, render
from millstream.emit.rewrite import udf_calls
from millstream.emit.statements import NodeSql
from millstream.errors import MillstreamError
from millstream.runtime.udf import Functions, literal

CHUNK = 500  # rows per round trip around Python


def build(conn: psycopg.Connection, sql: NodeSql, functions: Functions) -> int:
    """Create a node's table and store its first rows; return how many."""
    for statement in sql.create():
        conn.execute(statement.encode())
    columns = listing(sql.all_columns())
    if sql.node.udf is None:
        rows = sql.result()
    else:
        call_all(conn, sql.node, sql, functions)
        rows = sql.with_hidden(sql.named(render(sql.after_udf(), {-1: sql.called()})))
    try:
        cursor = conn.execute(
            f"INSERT INTO {table(sql.node.name)} ({columns}) SELECT {columns} FROM ({rows}) AS s".encode()
        )
    except psycopg.errors.DataError as error:
        raise MillstreamError(
            f"a row that is already stored cannot be computed: {str(error).splitlines()[0]}\n"
            "  hint: widen the arithmetic (cast an operand to bigint or numeric), or leave such rows out in WHERE"
        ) from error
    if sql.node.udf is not None:
        for name in sql.session_tables():
            conn.execute(f"DROP TABLE IF EXISTS {name}".encode())
    conn.execute(f"ANALYZE {table(sql.node.name)}".encode())
    return cursor.rowcount


def call_all(conn: psycopg.Connection, node: Node, sql: NodeSql, functions: Functions) -> None:
    """Call the node's Python functions for every row of its input."""
    udf = node.udf
    assert udf is not None
    for statement in sql.temporary():
        conn.execute(statement.encode())
    inputs = listing([quote(a.name) for a in udf.input.columns])
    conn.execute(
        f"INSERT INTO {arguments(node.name)} SELECT row_number() OVER (), {inputs} FROM ({sql.rows(udf.input)}) AS s".encode()
    )
    row = conn.execute(f"SELECT coalesce(max(_r), 0) FROM {arguments(node.name)}".encode()).fetchone()
    last = int(row[0]) if row else 0
    conn.execute(f"CREATE INDEX ON {arguments(node.name)} (_r)".encode())
    conn.execute(f"ANALYZE {arguments(node.name)}".encode())
    calls = udf_calls(udf)
    for start in range(0, last, CHUNK):
        call(conn, node.name, calls, functions, f"_r > {start} AND _r <= {start + CHUNK}")


def call(
    conn: psycopg.Connection,
    node: str,
    calls: Sequence[tuple[str, str]],
    functions: Functions,
    which: str = "true",
) -> int:
    """Call a node's Python functions, each with the SELECT list of its arguments, for waiting rows; return how many."""
    numbers: list[int] = []
    computed: list[list[object]] = []
    for name, select in calls:
        query = f"SELECT _r, {select} FROM {arguments(node)} WHERE {which} ORDER BY _r"
        with psycopg.RawCursor(conn) as raw:
            rows = raw.execute(query.encode(), binary=True).fetchall()
        numbers = [int(row[0]) for row in rows]
        computed.append(functions.call(name, (row[1:] for row in rows)))
    if numbers:
        with conn.cursor() as cursor, cursor.copy(f"COPY {results(node)} FROM STDIN".encode()) as copy:
            for number, *values in zip(numbers, *computed, strict=True):
                copy.write_row([number, *(literal(value) for value in values)])
    return len(numbers)
