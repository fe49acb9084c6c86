"""Names in the database: which may be deployed, and what the things are called that are stored for them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count

import psycopg

from millstream.compiler.algebra.quoting import too_long
from millstream.compiler.postgres.names import DATA
from millstream.diagnostics import refuse
from millstream.engine.catalog.catalogue import Catalogue

TAKEN = frozenset(
    ("millstream", DATA, "information_schema", "rw_catalog")
)  # schemas of the engine and of databases


def check_name(schema: str, name: str, path: str | None) -> None:
    """Refuse to deploy something under a name that PostgreSQL would cut, or that belongs to somebody else."""
    for part in (schema, name):
        if too_long(part):
            raise refuse("MS007", None, f"{part}: {len(part.encode())} bytes", path)
    if schema in TAKEN or schema.startswith("pg_") or "." in schema or not schema or not name:
        raise refuse("MS037", None, path=path, schema=schema, name=name)


def table_state(catalogue: Catalogue, schema: str, name: str) -> str:
    """Name what is stored of a source table."""
    return next(each for each in stored_names(schema, name) if is_free(catalogue, each))


def next_version(catalogue: Catalogue, schema: str, name: str) -> str:
    """Name the next version of a materialized view."""
    numbers = [
        int(state.name.rsplit("@", 1)[1])
        for state in catalogue.states.values()
        if state.schema == schema and state.relation == name and "@" in state.name
    ]
    number = max(numbers, default=0) + 1
    wanted = (f"{prefix}@{number}" for prefix in stored_names(schema, name))
    return next(each for each in wanted if is_free(catalogue, each))


def stored_names(schema: str, name: str) -> Iterator[str]:
    """What may stand for a name in what is stored: the first that differs from the beginning of all others is taken."""
    if schema == "public":
        yield name
    yield f"{schema}.{name}"
    yield from (f"{number}~{schema}.{name}" for number in count(2))


def is_free(catalogue: Catalogue, wanted: str) -> bool:
    """Tell whether nothing is stored under a name, nor under one that is made of it: its nodes, a table's queue."""
    used = chain.from_iterable((state.name, *state.tables) for state in catalogue.states.values())
    return not any(
        wanted == each or wanted.startswith(f"{each}__") or each.startswith(f"{wanted}__") for each in used
    )


def free_name(
    conn: psycopg.Connection, catalogue: Catalogue, schema: str, name: str, kind: str, path: str | None
) -> None:
    """Refuse to deploy a thing under the name of a thing of another kind."""
    found = catalogue.named(schema, name)
    if found is not None and found.kind != kind:
        raise refuse("MS032", None, path=path, name=name, kind=found.kind)
    row = conn.execute(
        "select c.relkind::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relname = %s",
        [schema, name],
    ).fetchone()
    if found is None and row is not None:
        raise refuse("MS032/of somebody else", None, path=path, schema=schema, name=name)
