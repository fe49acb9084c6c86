"""Every materialized view as it was kept, against the same view built anew from the sources."""

from __future__ import annotations

import psycopg
from psycopg import sql

from millstream.compiler.compile import compile_view
from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.resolver import Resolver
from millstream.engine.deploy.upgrade import build_again
from millstream.engine.state.versions import Outdated

DECIMALS = 6


def differences(dsn: str) -> dict[str, int | None]:
    """Build every view again and return how many rows differ, by view. Nothing may be written meanwhile.

    None where a view is of the moment in which a person acted, and cannot be the same. `dsn` is the owner's.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("call millstream.flush('5 minutes')")
        catalogue = store.load(connection)
        views = {key: view for key in catalogue.relations if (view := catalogue.current(*key)) is not None}
        past = of_the_past(catalogue)
        for number, key in enumerate(views):
            photograph(connection, key, f"kept_{number}")
        build_again(dsn, Outdated(list(views.values())))
        found: dict[str, int | None] = {}
        for number, (key, state) in enumerate(views.items()):
            photograph(connection, key, f"anew_{number}")
            query = sql.SQL(
                "select count(*) from {} as k full join {} as a using (line) where k.times is distinct from a.times"
            ).format(sql.Identifier(f"kept_{number}"), sql.Identifier(f"anew_{number}"))
            row = connection.execute(query).fetchone()
            assert row is not None
            found[key[1]] = None if state.name in past else int(row[0])
    return found


def of_the_past(catalogue: Catalogue) -> set[str]:
    """The views that join as of the moment of a change, and what reads them."""
    found: set[str] = set()
    for state in catalogue.views:  # each after what it reads
        resolver = Resolver(catalogue, state.reads)
        nodes = compile_view(resolver, state.name, state.definition, state.path).nodes
        if any(node.on_act for node in nodes) or state.below & found:
            found.add(state.name)
    return found


def photograph(connection: psycopg.Connection, key: tuple[str, str], name: str) -> None:
    """Keep the rows of a view as text, with how often each is there; inexact numbers to so many decimals."""
    relation = sql.Identifier(*key)
    columns = connection.execute(
        "select attname, format_type(atttypid, null) from pg_attribute"
        " where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum",
        [relation.as_string(connection)],
    ).fetchall()
    parts = sql.SQL(", ").join(told(sql.Identifier(column), kind) for column, kind in columns)
    connection.execute(
        sql.SQL(
            "create temporary table {} as select row({})::text as line, count(*) as times from {} group by 1"
        ).format(sql.Identifier(name), parts, relation)
    )


def told(column: sql.Identifier, kind: str) -> sql.Composable:
    """A column as it is compared."""
    if kind in ("double precision", "real", "numeric"):
        return sql.SQL("round({}::numeric, {})").format(column, sql.Literal(DECIMALS))
    if kind in ("double precision[]", "real[]", "numeric[]"):
        return sql.SQL(
            "(select array_agg(round(v::numeric, {}) order by o) from unnest({}) with ordinality as t (v, o))"
        ).format(sql.Literal(DECIMALS), column)
    return column
