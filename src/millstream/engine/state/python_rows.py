"""Call a node's Python functions for the rows of arguments that wait, and keep what they give beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from millstream.compiler.postgres.names import arguments, results
from millstream.compiler.postgres.rewrite import udf_calls
from millstream.compiler.postgres.statements import NodeSql
from millstream.engine.state.composites import register_composites
from millstream.engine.state.udf import Functions

CHUNK = 500  # rows per round trip around Python


def call_all(
    conn: psycopg.Connection,
    sql: NodeSql,
    functions: Functions,
    tell: Callable[[int, int], None] | None = None,
    *,
    careful: bool = False,
) -> None:
    """Call the node's Python functions for every row of arguments that waits; `tell` hears how many of how many are done."""
    node = sql.node
    assert node.udf is not None
    row = conn.execute(f"SELECT coalesce(max(_r), 0) FROM {arguments(node.name)}".encode()).fetchone()
    last = int(row[0]) if row else 0
    conn.execute(f"CREATE INDEX ON {arguments(node.name)} (_r)".encode())
    conn.execute(f"ANALYZE {arguments(node.name)}".encode())
    calls = udf_calls(node.udf)
    for start in range(0, last, CHUNK):
        which = f"_r > {start} AND _r <= {start + CHUNK}"
        call(conn, node.name, calls, functions, which, careful=careful)
        if tell is not None:
            tell(min(start + CHUNK, last), last)


def call(
    conn: psycopg.Connection,
    node: str,
    calls: Sequence[tuple[str, str]],
    functions: Functions,
    which: str = "true",
    *,
    careful: bool = False,
) -> int:
    """Call a node's Python functions, each with the SELECT list of its arguments, for waiting rows; return how many.

    Where `careful`, a row whose arguments Python cannot hold, or whose result is not of the declared type, has none.
    """
    functions.looked_up.begin(conn)
    numbers: list[int] = []
    computed: list[list[str | None]] = []
    for place, (name, select) in enumerate(calls, 1):
        query = f"SELECT _r, {select} FROM {arguments(node)} WHERE {which} ORDER BY _r"
        with arguments_of(conn, query) as found:
            if careful:
                numbers, texts = called_one_by_one(found, name, functions)
                texts = of_the_type(conn, node, place, name, texts, functions)
            else:
                rows = found.fetchall()
                numbers = [int(row[0]) for row in rows]
                texts = functions.call(name, (row[1:] for row in rows))
        computed.append(texts)
    if numbers:
        with conn.cursor() as cursor, cursor.copy(f"COPY {results(node)} FROM STDIN".encode()) as copy:
            for number, *values in zip(numbers, *computed, strict=True):
                copy.write_row([number, *values])
    return len(numbers)


def arguments_of(conn: psycopg.Connection, query: str) -> psycopg.RawCursor[tuple[Any, ...]]:
    """Run a query, whose structs are read as dicts."""
    found = psycopg.RawCursor(conn).execute(query.encode(), binary=True)
    if not register_composites(conn, [column.type_code for column in found.description or ()]):
        return found
    found.close()
    return psycopg.RawCursor(conn).execute(query.encode(), binary=True)


def called_one_by_one(
    found: psycopg.RawCursor[tuple[object, ...]], name: str, functions: Functions
) -> tuple[list[int], list[str | None]]:
    """The numbers of rows and what a function gives for each, whose arguments may be such as Python has not."""
    numbers: list[int] = []
    texts: list[str | None] = []
    first = found.pgresult
    assert first is not None
    for place in range(found.rowcount):
        numbers.append(int.from_bytes(first.get_value(place, 0) or b"", "big"))
        found.scroll(place, mode="absolute")
        try:
            row = found.fetchone()
        except psycopg.DataError as error:
            functions.failed(name, f"arguments that Python cannot hold: {error}")
            texts.append(None)
            continue
        assert row is not None
        texts += functions.call(name, [row[1:]])
    return numbers, texts


def of_the_type(
    conn: psycopg.Connection,
    node: str,
    place: int,
    name: str,
    texts: list[str | None],
    functions: Functions,
) -> list[str | None]:
    """What a function gave, without what is no value of the type that it was declared to return."""
    checked = conn.execute(
        "select array_agg(pg_input_is_valid(u.text, format_type(a.atttypid, a.atttypmod)) order by u.n)"
        " from unnest(%s::text[]) with ordinality as u(text, n) join pg_attribute as a"
        " on a.attrelid = %s::regclass and a.attnum = %s",
        [texts, results(node), place + 1],
    ).fetchone()
    valid = checked[0] if checked is not None and checked[0] is not None else []
    for text, is_valid in zip(texts, valid, strict=True):
        if is_valid is False:
            functions.failed(name, f"a result that is not of the declared type: {str(text)[:100]}")
    return [text if is_valid else None for text, is_valid in zip(texts, valid, strict=True)]
