"""The table in which every object's stamp is kept, by `schema.name`.

RisingWave takes a comment on a materialized view and never shows it again, and has none for views, sinks, subscriptions and
functions. Comments are read only of what the table does not know: an earlier release stamped tables there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from millstream.rollout.risingwave.naming import literal
from millstream.rollout.risingwave.stamp import Stamp, read_stamp
from millstream.rollout.risingwave.statements import Statements

NAME = "millstream_registry"
FUNCTION = "function:"  # before the key of a function, which may be called as a relation is
COMMENTED = ("table", "materialized_view")
COMMENTS = "select d.objoid, d.description from pg_catalog.pg_description as d where d.objsubid = 0"


@dataclass(frozen=True)
class Mark:
    """One row: the stamp of what stands under a key, and the statement that made it if it is a sink or the like."""

    key: str
    stamp: Stamp | None
    statement: str = ""


def create(statements: Statements, registry: str) -> None:
    """Make the table; a row that is written again replaces the one of its key."""
    statements.send(
        f"create table if not exists {registry} (\n"
        "    name varchar primary key,\n    stamp varchar,\n    statement varchar\n) on conflict do update full"
    )


def read(statements: Statements, registry: str) -> dict[str, Mark]:
    """Every row, by key."""
    rows = statements.ask(f"select name, stamp, statement from {registry}")
    return {key: Mark(key, read_stamp(stamp), statement or "") for key, stamp, statement in rows}


def read_comments(statements: Statements) -> dict[int, Stamp]:
    """The stamps in comments that can be read, by the object's id."""
    found = {int(id_): read_stamp(text) for id_, text in statements.ask(COMMENTS)}
    return {id_: stamp for id_, stamp in found.items() if stamp is not None}


def write(statements: Statements, registry: str, marks: Sequence[Mark]) -> None:
    """Write rows, all or none."""
    rows = ", ".join(
        f"({literal(mark.key)}, {literal(mark.stamp.text())}, {literal(mark.statement)})"
        for mark in marks
        if mark.stamp is not None
    )
    statements.send(f"insert into {registry} (name, stamp, statement) values {rows}")


def forget(statements: Statements, registry: str, key: str) -> None:
    """Remove a row."""
    statements.send(f"delete from {registry} where name = {literal(key)}")
