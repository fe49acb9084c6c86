"""What a name means: the relations in FROM, the CTEs in sight, and the catalogue behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.plan.expression import Attribute, Names
from millstream.plan.nodes import Relation


@dataclass(frozen=True)
class ViewText:
    """A plain view: its query is expanded where it is read."""

    name: str
    sql: str
    path: str | None = None


@dataclass(frozen=True)
class SqlFunction:
    """A function of one expression: parameters as (name or '', type), the type of the result, the body as SQL."""

    schema: str | None
    name: str
    parameters: tuple[tuple[str, str], ...]
    returns: str
    body: str


class Catalog(Protocol):
    """What the binder asks about names."""

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        """Return what a name in FROM stands for; None if nothing of that name is deployed."""

    def sql_function(self, schema: str | None, name: str) -> SqlFunction | None:
        """Return the SQL function of a name; None if there is none."""

    def is_python(self, schema: str | None, name: str) -> bool:
        """Tell whether a function is a registered Python function."""


@dataclass
class Context:
    """One compilation: names, catalogue, the file that errors point to, and the version that is compiled.

    `beside` has the columns of what is joined to every row of something, and where that is written.
    """

    catalog: Catalog
    names: Names = field(default_factory=Names)
    path: str | None = None
    model: str = ""
    read: dict[str, None] = field(default_factory=dict)  # deployed names this query reads, in order
    beside: dict[str, exp.Expr] = field(default_factory=dict)

    def note_beside(self, columns: Iterable[Attribute], node: exp.Expr) -> None:
        """Remember where something is joined to every row."""
        self.beside.update((attribute.name, node) for attribute in columns)


@dataclass(frozen=True)
class CommonTable:
    """A CTE with the CTEs that it sees itself."""

    query: exp.Expr
    ctes: Mapping[str, CommonTable]
    columns: tuple[str, ...]


@dataclass
class Scope:
    """The relations in one FROM clause: alias → column name → attribute. `outer` is the enclosing query's.

    `merged` are the columns that USING made of several: name → attribute, and the aliases whose columns they were.
    """

    context: Context
    tables: dict[str, dict[str, Attribute]] = field(default_factory=dict)
    outer: Scope | None = None
    merged: dict[str, tuple[Attribute, frozenset[str]]] = field(default_factory=dict)

    def merge(self, name: str, attribute: Attribute, aliases: Iterable[str]) -> None:
        """Let a bare name mean one column of those that the aliases (and what they were merged with) have of it."""
        before = self.merged[name][1] if name in self.merged else frozenset()
        having = {alias for alias, columns in self.tables.items() if name in columns and alias}
        self.merged[name] = (attribute, before | (having if not before else frozenset(aliases)))

    def add(self, alias: str, columns: dict[str, Attribute]) -> None:
        self.tables[alias] = columns

    def resolve(self, node: exp.Column) -> Attribute:
        """Find the attribute that a column reference means."""
        path = self.context.path
        table, name = node.table, node.name
        if table:
            columns = self.tables.get(table)
            if columns is not None and name in columns:
                return columns[name]
        else:
            merged, aliases = self.merged.get(name, (None, frozenset()))
            found = {
                columns[name]
                for alias, columns in self.tables.items()
                if name in columns and alias not in aliases
            }
            found |= {merged} if merged is not None else set()
            if len(found) > 1:
                raise refuse("MS004", node, name, path)
            if found:
                return found.pop()
        if self.outer is not None:
            return self.outer.resolve(node)
        raise refuse("MS003", node, node.sql("postgres"), path)
