"""Ask PostgreSQL for the types of the columns of a SELECT."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg.pq import ExecStatus


def describer(conn: psycopg.Connection) -> Callable[[str], list[str]]:
    """Return a function that asks PostgreSQL for the column types of a SELECT, which is read and not run."""
    names: dict[int, str] = {}
    known: dict[str, list[int]] = {}

    def described(sql: str) -> list[int]:
        for result in (
            conn.pgconn.prepare(b"", f"SELECT * FROM ({sql}) AS s".encode()),
            conn.pgconn.describe_prepared(b""),
        ):
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)
        return [result.ftype(number) for number in range(result.nfields)]

    def describe(sql: str) -> list[str]:
        oids = known[sql] if sql in known else known.setdefault(sql, described(sql))
        if unknown := set(oids) - names.keys():
            rows = conn.execute(
                "select oid, format_type(oid, null) from unnest(%s::oid[]) as t(oid)", [list(unknown)]
            )
            names.update(rows.fetchall())
        return [names[oid] for oid in oids]

    return describe
