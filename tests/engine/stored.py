"""The relations of the golden files as stored tables with a few rows, so that plans can be run."""

from __future__ import annotations

import psycopg

from millstream.compiler.algebra.expression import WEIGHT
from millstream.compiler.incremental.node import HASH
from millstream.compiler.postgres.names import changes, quote, table
from millstream.engine.catalog.install import resource
from tests.compiler.catalogue import ELSEWHERE, RELATIONS

ROWS = {
    "events": [
        ("e1", "u1", "a", 5.0, "2030-01-01 00:00+00"),
        ("e2", "u1", "b", 2.0, "2030-01-01 00:10+00"),
        ("e3", "u2", "a", 5.0, "2030-01-01 00:20+00"),
        ("e4", "u2", "c", None, "2030-01-01 00:55+00"),
        ("e5", "u3", None, 1.0, "2030-01-01 01:10+00"),
        ("e6", None, "b", 9.0, None),
        ("e7", "u1", "a", 0.5, "2030-01-01 01:30+00"),
    ],
    "items": [("a", "tea", 3.0), ("b", "tea", 12.0), ("c", "cake", None), ("d", None, 1.0)],
    "users": [("u1", ["a", "b"]), ("u2", ["c", None, "a"]), ("u4", []), ("u5", None)],
    "neighbours": [("a", ["b", "c"], [0.5, 0.25]), ("b", ["a"], [0.5]), ("d", [], [])],
    "clicks": [("u1", "a"), ("u1", "a"), ("u2", "b"), (None, "a")],
    "totals": [(12.0,)],
}


def fill(connection: psycopg.Connection) -> None:
    """Make the stored tables, empty change tables beside them, and a clock that stands at 01:05 (before: 00:30)."""
    connection.execute("create schema millstream")
    connection.execute("create schema millstream_data")
    for name, moment in (("now", "01:05"), ("last_now", "00:30")):
        connection.execute(
            f"create function millstream.{name}() returns timestamptz language sql stable"
            f" return timestamptz '2030-01-01 {moment}+00'".encode()
        )
    for name in ("guards.sql", "series.sql", "windows.sql"):
        connection.execute(resource(name))
    for relation in (*RELATIONS.values(), *ELSEWHERE.values()):
        columns = ", ".join(f"{quote(name)} {type_}" for name, type_, _ in relation.columns)
        hidden = "" if relation.key != (HASH,) else f", {HASH} bigint"
        connection.execute(f"create table {table(relation.name)} ({columns}{hidden})".encode())
        marks = ", ".join(["%s"] * len(relation.columns))
        listed = ", ".join(quote(name) for name, _, _ in relation.columns)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"insert into {table(relation.name)} ({listed}) values ({marks})".encode(),
                ROWS.get(relation.name, [("a", 7)[: len(relation.columns)]]),
            )
        connection.execute(
            f"create temporary table {changes(relation.name)} as select *, 0 as {WEIGHT} from {table(relation.name)} limit 0".encode()
        )
