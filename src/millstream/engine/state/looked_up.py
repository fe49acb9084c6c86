"""Rows that Python functions look up themselves, by key: a module that has `LOOKED_UP` is given a `look_up`.

    LOOKED_UP = {"items": ("item_id", ("category", "brand"))}    a source: its key, and the columns that are read by it
    look_up("items", ["a", "b"])                                 {"a": ("cake", "north")}: b is not there

What was read stays in memory until the source changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import psycopg

from millstream.compiler.postgres.names import quote, table

Row = tuple[Any, ...]
Declared = Mapping[str, tuple[str, tuple[str, ...]]]


@dataclass
class LookedUp:
    """What the functions of one process have looked up. Unless it is `followed`, each call reads anew."""

    followed: bool = False
    conn: psycopg.Connection | None = None
    rows: dict[str, dict[str, Row | None]] = field(default_factory=dict)

    def serve(self, module: ModuleType, schema: str) -> None:
        """Give a module of a schema its `look_up`."""
        declared: Declared | None = getattr(module, "LOOKED_UP", None)
        if declared is not None:
            module.look_up = partial(self.look_up, schema, declared)  # type: ignore[attr-defined]

    def begin(self, conn: psycopg.Connection) -> None:
        """Read by this connection from now on."""
        self.conn = conn
        if not self.followed:
            self.rows.clear()

    def forget(self, changed: Iterable[str]) -> None:
        """Forget what was read of sources that changed."""
        for name in changed:
            self.rows.pop(name, None)

    def look_up(
        self, schema: str, declared: Declared, relation: str, keys: Collection[str]
    ) -> dict[str, Row]:
        """The columns of a source's rows with these keys, by key."""
        name = f"{schema}.{relation}" if schema else relation
        known = self.rows.setdefault(name, {})
        unknown = [key for key in keys if key not in known]
        if unknown:
            known.update(dict.fromkeys(unknown))
            known.update(self.read(name, *declared[relation], unknown))
        return {key: row for key in keys if (row := known[key]) is not None}

    def read(
        self, name: str, key: str, columns: tuple[str, ...], wanted: list[str]
    ) -> Iterable[tuple[str, Row]]:
        """Read rows of a source by key; none where no such source is deployed, or no database is at hand."""
        if self.conn is None:
            return ()
        found = self.conn.execute("select to_regclass(%s)", [table(name)]).fetchone()
        if found is None or found[0] is None:
            return ()
        listed = ", ".join(map(quote, (key, *columns)))
        query = f"select {listed} from {table(name)} where {quote(key)} = any(%s)"
        return [(row[0], tuple(row[1:])) for row in self.conn.execute(query.encode(), [wanted])]
