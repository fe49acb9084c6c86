"""Drop many things that are deployed at once."""

from __future__ import annotations

from collections.abc import Collection

import psycopg

from millstream.engine.catalog import store
from millstream.engine.catalog.store import Catalogue
from millstream.engine.deploy import views
from millstream.engine.deploy.transaction import begin, collect
from millstream.engine.state import feed
from millstream.engine.state.locks import only_a_moment, patiently
from millstream.errors import StillRead

Name = tuple[str, str]  # schema and name


def drop_all(conn: psycopg.Connection, names: Collection[Name]) -> list[Name]:
    """Drop all of these (schema, name) that are deployed, in one transaction; returns them in the order of the drops.

    Readers go first. Raises StillRead, and drops nothing, where one that is not among them reads one that is.
    """

    def forget() -> list[Name]:
        with conn.transaction():
            catalogue = begin(conn)
            order = readers_first(catalogue, names)
            only_a_moment(conn)
            for schema, name in order:
                views.drop(conn, catalogue, schema, name, cascade=False)
                del catalogue.relations[schema, name]
            feed.follow(conn)
            store.raise_epoch(conn)
            return order

    dropped = patiently(conn, forget)
    collect(conn)
    return dropped


def readers_first(catalogue: Catalogue, names: Collection[Name]) -> list[Name]:
    """The names that are deployed, each after those that read it. Raises StillRead where another one does."""
    left = sorted(name for name in names if name in catalogue.relations)
    readers = {
        (schema, name): {(found.schema, found.name) for found in views.readers_of(catalogue, schema, name)}
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
