"""Where the sources name people: the one list, by which rows are removed and which the tests hold against the project."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from millstream.compiler.postgres.names import quote

PERSON, VISITOR = "user_id", "anonymous_id"
ID_COLUMNS = (PERSON, VISITOR)
"""Columns of any source that hold the id of a person or of a visitor; JSON messages have fields of the same names."""
MESSAGE_COLUMNS = ("payload",)
"""Columns of any source that hold a whole message as text."""


@dataclass(frozen=True)
class Holder:
    """A source that names people: its quoted name, and its columns of ids and of messages."""

    name: str
    ids: tuple[str, ...]
    messages: tuple[str, ...]

    @property
    def plain(self) -> str:
        """The name for people."""
        return plain(self.name)


def plain(name: str) -> str:
    """A quoted name as people read it."""
    return name.replace('"', "")


def holders(conn: psycopg.Connection) -> list[Holder]:
    """The deployed sources that name people."""
    rows = conn.execute(
        "select r.schema_name, r.name, s.detail -> 'columns' from millstream.relation as r"
        " join millstream.state as s on s.name = r.state where r.kind = 'table' order by s.ordinal"
    ).fetchall()
    found = []
    for schema, name, columns in rows:
        names = [column[0] for column in columns]
        ids = tuple(n for n in names if n in ID_COLUMNS)
        messages = tuple(n for n in names if n in MESSAGE_COLUMNS)
        if ids or messages:
            found.append(Holder(f"{quote(schema)}.{quote(name)}", ids, messages))
    return found
