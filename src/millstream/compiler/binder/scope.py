"""What a name means: the relations in FROM, the CTEs in sight, and the catalogue behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, Names
from millstream.compiler.algebra.operators import Relation
from millstream.compiler.dialect import write
from millstream.compiler.syntax.from_items import Name
from millstream.compiler.syntax.structs import Composites
from millstream.compiler.syntax.suggest import likely
from millstream.diagnostics import refuse

Columns = list[tuple[str, Attribute]]  # what an item of FROM shows, in order; two may have the same name
AMBIGUOUS = Attribute("")  # stands for the columns of one item that share a name
Place = tuple[exp.Expr, str | None]  # a part of a statement, and the file that it is in


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

    def known(self) -> Iterable[tuple[str, str]]:
        """Return (schema, name) of everything that FROM could name."""


@dataclass
class Context:
    """One compilation: names, catalogue, the file that errors point to, and the version that is compiled.

    `stars` lets SELECT * stand for the columns that are there now, in what is read once and not kept.
    """

    catalog: Catalog
    names: Names = field(default_factory=Names)
    path: str | None = None
    model: str = ""
    stars: bool = False
    places: dict[str, Place] = field(default_factory=dict)  # attribute → what of the statement gives it
    with_nulls: list[Place] = field(default_factory=list)  # NOT IN that a NULL would end
    composites: Composites = field(default_factory=dict)  # of the structs that it casts to


@dataclass(frozen=True)
class CommonTable:
    """A CTE: its query, the names that it gives to its first columns, and the scope in which the query stands."""

    query: exp.Expr
    columns: tuple[str, ...]
    scope: Scope


Added = list[tuple[Name, Columns]]  # what an item of FROM adds: itself, or the items in its brackets


def introduced(attribute: Attribute) -> exp.Column:
    """A reference to a column that binding has introduced. Its empty qualifier is one that nobody can write."""
    return exp.column(
        exp.to_identifier(attribute.name, quoted=True), table=exp.Identifier(this="", quoted=True)
    )


def is_introduced(node: exp.Expr) -> bool:
    """Tell whether an expression refers to a column that binding has introduced."""
    return isinstance(node, exp.Column) and node.args.get("table") is not None and not node.table


@dataclass
class Scope:
    """The items in one FROM clause: their names → column name → attribute. `outer` is the enclosing query's.

    `merged` are the columns that USING made of several: name → attribute, and the items whose columns they were.
    `introduced_columns` are those that binding adds, such as the value of a subquery; only `introduced` refers to them.
    The scope of a CTE has no items: it lies around the query that declares it.
    """

    context: Context
    tables: dict[Name, dict[str, Attribute]] = field(default_factory=dict)
    outer: Scope | None = None
    merged: dict[str, tuple[Attribute, frozenset[Name]]] = field(default_factory=dict)
    introduced_columns: dict[str, Attribute] = field(default_factory=dict)
    ctes: dict[str, CommonTable] = field(default_factory=dict)

    @property
    def around(self) -> Scope:
        """What an item of FROM sees, which is not LATERAL: everything but the items beside it."""
        return self.outer if self.outer is not None else Scope(self.context)

    def below_cte(self, name: str, cte: CommonTable) -> Scope:
        """Return a scope below this one, in which a CTE is in sight."""
        return Scope(self.context, outer=self, ctes={name: cte})

    def cte(self, name: str) -> CommonTable | None:
        """Find the CTE that a name without a schema means; None if there is none."""
        return next((scope.ctes[name] for scope in self.outward() if name in scope.ctes), None)

    def ctes_in_sight(self) -> list[str]:
        """The names of the CTEs in sight, those declared first before the others."""
        scopes = reversed(list(self.outward()))
        return list(dict.fromkeys(name for scope in scopes for name in scope.ctes))

    def merge(self, name: str, attribute: Attribute, items: Iterable[Name]) -> None:
        """Let a bare name mean one column of those that the items (and what they were merged with) have of it."""
        before = self.merged[name][1] if name in self.merged else frozenset()
        having = {item for item, columns in self.tables.items() if name in columns}
        self.merged[name] = (attribute, before | (having if not before else frozenset(items)))

    def add(self, name: Name, columns: Columns, node: exp.Expr | None = None) -> None:
        """Add an item of FROM. Raises Refused where another is called so already."""
        if any(name.repeats(other) for other in self.tables):
            raise refuse("MS005", node, f"{name.text} in FROM", self.context.path)
        found: dict[str, Attribute] = {}
        for label, attribute in columns:
            found[label] = AMBIGUOUS if label in found else attribute
        self.tables[name] = found

    def introduce(self, *attributes: Attribute) -> None:
        """Let expressions of this scope refer to columns by `introduced`, such as the value of a subquery."""
        self.introduced_columns.update({attribute.name: attribute for attribute in attributes})

    def resolve(self, node: exp.Column) -> Attribute:
        """Find the attribute that a column reference means, here or in the queries around."""
        for scope in self.outward():
            found = scope.lookup(node)
            if len(found) > 1 or AMBIGUOUS in found:
                raise refuse("MS004", node, write(node), self.context.path)
            if found:
                return found.pop()
            if node.table and any(name.means(node) for name in scope.tables):
                break
        raise refuse("MS003", node, write(node), self.context.path, self.likely(node))

    def resolve_outside(self, node: exp.Column) -> Attribute | None:
        """Find the attribute that a column reference means in the query around this one, if it is none of this one's."""
        found = self.resolve(node)
        return None if found in self.lookup(node) else found

    def outward(self) -> Iterator[Scope]:
        """This scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def lookup(self, node: exp.Column) -> set[Attribute]:
        """The attributes of this scope that a column reference may mean; more than one if it is ambiguous."""
        name = node.name
        if is_introduced(node):
            return {self.introduced_columns[name]} if name in self.introduced_columns else set()
        if node.table:
            items = [columns for item, columns in self.tables.items() if item.means(node)]
            if len(items) > 1:
                return {AMBIGUOUS}
            return {columns[name] for columns in items if name in columns}
        merged, items_merged = self.merged.get(name, (None, frozenset()))
        found = {
            columns[name]
            for item, columns in self.tables.items()
            if name in columns and item not in items_merged
        }
        return found | ({merged} if merged is not None else set())

    def likely(self, node: exp.Column) -> str:
        """Say which column may be meant by a reference that means none."""
        scopes = list(self.outward())
        if not node.table:
            return likely(
                node.name, (name for s in scopes for columns in s.tables.values() for name in columns)
            )
        for scope in scopes:
            for item, columns in scope.tables.items():
                if item.means(node):
                    return likely(node.name, columns, node.table)
        having = [
            item for s in scopes for item, columns in s.tables.items() if node.name in columns and item.text
        ]
        if len(having) == 1:
            return f"did you mean {having[0].text}.{node.name}?"
        return likely(node.table, (item.text for s in scopes for item in s.tables if item.text))
