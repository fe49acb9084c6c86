"""Drop what is deployed: one name, or many at once."""

from __future__ import annotations

from collections.abc import Collection

import psycopg

from millstream.compiler.postgres.names import quote
from millstream.engine.catalog import store
from millstream.engine.catalog.catalogue import Catalogue
from millstream.engine.catalog.records import PythonFunction
from millstream.engine.deploy.garbage import drop_unused
from millstream.engine.deploy.readers import readers_of
from millstream.engine.deploy.transaction import begin_change
from millstream.engine.state import feed
from millstream.engine.state.functions import types_of_its_own
from millstream.engine.state.locks import only_a_moment, patiently
from millstream.engine.state.types import drop_composites
from millstream.errors import MillstreamError, StillRead

Name = tuple[str, str]  # schema and name


def drop(conn: psycopg.Connection, name: str, *, schema: str = "public", cascade: bool = False) -> None:
    """Drop what is deployed under a name; with `cascade` also everything that reads it, else refuse."""

    def forget() -> None:
        with conn.transaction():
            catalogue = begin_change(conn)
            only_a_moment(conn)
            drop_one(conn, catalogue, schema, name, cascade)
            feed.follow_names(conn)
            store.raise_epoch(conn)

    patiently(conn, forget)
    drop_unused(conn)


def drop_all(conn: psycopg.Connection, names: Collection[Name]) -> list[Name]:
    """Drop all of these (schema, name) that are deployed, in one transaction; returns them in the order of the drops.

    Readers go first. Raises StillRead, and drops nothing, where one that is not among them reads one that is.
    """

    def forget() -> list[Name]:
        with conn.transaction():
            catalogue = begin_change(conn)
            order = readers_first(catalogue, names)
            only_a_moment(conn)
            for schema, name in order:
                drop_one(conn, catalogue, schema, name, cascade=False)
                del catalogue.relations[schema, name]
            feed.follow_names(conn)
            store.raise_epoch(conn)
            return order

    dropped = patiently(conn, forget)
    drop_unused(conn)
    return dropped


def readers_first(catalogue: Catalogue, names: Collection[Name]) -> list[Name]:
    """The names that are deployed, each after those that read it. Raises StillRead where another one does."""
    left = sorted(name for name in names if name in catalogue.relations)
    readers = {
        (schema, name): {(found.schema, found.name) for found in readers_of(catalogue, schema, name)}
        for schema, name in left
    }
    order: list[Name] = []
    while left:
        free = [name for name in left if readers[name] <= set(order)]
        if not free:
            kept = {name: readers[name] - set(left) - set(order) for name in left}
            name = next(each for each in left if kept[each])
            raise StillRead(name[1], [reader for _, reader in kept[name]])
        order += free
        left = [name for name in left if name not in free]
    return order


def drop_one(conn: psycopg.Connection, catalogue: Catalogue, schema: str, name: str, cascade: bool) -> None:
    """Forget a name and remove its public view."""
    found = catalogue.named(schema, name)
    if found is None:
        raise MillstreamError(
            f"nothing is deployed as {schema}.{name}\n  hint: `millstream status` lists what is"
        )
    readers = readers_of(catalogue, schema, name)
    if readers and not cascade:
        raise StillRead(name, [reader.name for reader in readers])
    for reader in readers:
        current = store.load(conn)
        if current.named(reader.schema, reader.name) is not None:
            drop_one(conn, current, reader.schema, reader.name, cascade)
    view = f"{quote(schema)}.{quote(name)}"
    if found.kind == "function":
        conn.execute(f"DROP FUNCTION IF EXISTS {view}".encode())
        if isinstance(found.definition, PythonFunction):
            for type_ in types_of_its_own(schema, name, found.definition):
                conn.execute(f"DROP TYPE IF EXISTS {type_} CASCADE".encode())
            drop_composites(conn)
    elif found.kind != "sink":
        what = "TABLE" if found.kind == "table" else "VIEW"
        conn.execute(f"DROP {what} IF EXISTS {view} CASCADE".encode())
    conn.execute("delete from millstream.relation where schema_name = %s and name = %s", [schema, name])
