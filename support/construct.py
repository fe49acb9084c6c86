"""A construct of the list, the tables that its example reads, and how the example is kept."""

from __future__ import annotations

from dataclasses import dataclass

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.model import bind_model
from millstream.compiler.binder.scope import Context, SqlFunction, ViewText
from millstream.compiler.binder.sql_functions import parse_function
from millstream.compiler.incremental.cut import cut_into_nodes
from millstream.compiler.incremental.node import HASH, Node
from millstream.compiler.portable.rules import unportable
from millstream.compiler.syntax.declarations.tables import parse_table
from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA

TABLES = {
    "events": (
        "create table events (event_id integer primary key, user_id varchar, item_id varchar, amount integer,"
        " price double precision, note varchar, occurred_at timestamptz)"
    ),
    "items": (
        "create table items (item_id varchar primary key, category varchar, price integer, tags varchar[],"
        " details jsonb, shelf varchar as (category || '-' || price))"
    ),
    "clicks": "create table clicks (user_id varchar, item_id varchar, seconds integer)",
}
"""What the examples read: two tables with a key, and one without, in which rows may be equal."""

FUNCTION = "create function dear(price int) returns boolean language sql as $$ select price > 2 $$"
PYTHON = "triple"  # triple(amount integer) returns integer, a Python function
TYPES = {"VARCHAR": "character varying", "INT": "integer", "TIMESTAMPTZ": "timestamp with time zone"}


@dataclass(frozen=True)
class Construct:
    """One line of the page.

    `refused` is the code with which the embedded engine refuses the example, empty where it keeps it. `risingwave` is
    what RisingWave does with an example that is refused here. `postgres` is the same question in SQL that PostgreSQL
    reads, where it does not read the example itself.
    """

    name: str
    sql: str
    refused: str = ""
    risingwave: str = ""
    postgres: str = ""
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Constructs that RisingWave documents on one page."""

    title: str
    reference: str
    constructs: tuple[Construct, ...]


class Examples:
    """The catalogue that the examples are compiled with."""

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        """A table of the examples."""
        if name not in TABLES:
            return None
        table = parse_table(TABLES[name])
        columns = tuple((c.name, TYPES.get(c.type, c.type.lower()), c.nullable) for c in table.columns)
        return Relation(name, columns, table.key or (HASH,))

    def sql_function(self, schema: str | None, name: str) -> SqlFunction | None:
        """The examples' SQL function."""
        function = parse_function(FUNCTION)
        return function if name == function.name else None

    def is_python(self, schema: str | None, name: str) -> bool:
        """Whether a name is the examples' Python function."""
        return name == PYTHON

    def known(self) -> list[tuple[str, str]]:
        """The examples' tables."""
        return [(DEFAULT_SCHEMA, name) for name in TABLES]


def compiled(sql: str) -> tuple[Node, ...]:
    """Compile an example. Raises Refused."""
    context = Context(Examples())
    plan, outputs = bind_model(sql, context)
    return cut_into_nodes("example", plan, outputs, context.names, None)


def kept(nodes: tuple[Node, ...]) -> str:
    """How a compiled example is kept: the change rules of its nodes, the lowest first."""
    found: list[str] = []
    for node in nodes:
        found.append(node.rule.value)
        if node.timed:
            found.append("time filter")
    return " + ".join(dict.fromkeys(found))


def on_risingwave(construct: Construct) -> str:
    """What RisingWave does: 'incremental', or 'refused' with the code of the check where there is one."""
    if construct.refused:
        return construct.risingwave
    for refusal in unportable(construct.sql, Examples(), None, lambda *_: ()):
        return f"refused ({refusal.diagnostic.code})"
    return construct.risingwave or "incremental"
