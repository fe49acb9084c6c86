"""Structs as Python functions are given them: dicts of their fields, also within arrays and other structs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.types.composite import CompositeInfo, register_composite

FIND = """
    select distinct c.oid::regtype::text
    from pg_type as t join pg_type as c on c.oid in (t.oid, t.typelem) and c.typtype = 'c'
    where t.oid = any(%s)
"""


def register_composites(conn: psycopg.Connection, oids: Iterable[int]) -> bool:
    """Let a connection read the composite types among some types as dicts; returns whether it learned any."""
    unknown = [oid for oid in oids if conn.adapters.types.get(oid) is None]
    if not unknown:
        return False
    names = [str(row[0]) for row in conn.execute(FIND, [unknown])]
    for name in names:
        info = CompositeInfo.fetch(conn, name)
        assert info is not None
        register_composites(conn, info.field_types)
        register_composite(info, conn, as_dict(tuple(info.field_names)))
    return bool(names)


def as_dict(names: tuple[str, ...]) -> Any:
    """What makes a dict of the values of a composite."""

    def made(*values: Any) -> dict[str, Any]:
        return dict(zip(names, values, strict=True))

    return made
