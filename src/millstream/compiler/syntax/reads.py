"""What a query names, as written: its items of FROM, and relations: CTEs are none, what TUMBLE and HOP read is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeGuard

from sqlglot import exp

from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA, Name, item_name, window_function

Qualified = tuple[str, str]  # schema and name


def relations(tree: exp.Expr) -> frozenset[Qualified]:
    """The relations that a query reads itself, views not expanded."""
    return frozenset((table.db or DEFAULT_SCHEMA, table.name) for table in tables(tree))


def tables(tree: exp.Expr) -> Iterator[exp.Table]:
    """The places where a query names a relation."""
    for table in tree.find_all(exp.Table):
        named: exp.Expr = table
        call = window_function(table)
        if call is not None and call.expressions and isinstance(call.expressions[0], exp.Column):
            argument = call.expressions[0]
            named = exp.Table(this=argument.this.copy(), db=argument.args.get("table"))
        if isinstance(named, exp.Table) and is_relation(named, table):
            yield named


def is_relation(table: exp.Table, place: exp.Expr | None = None) -> bool:
    """Tell whether a table of FROM is a relation by its name, and not a CTE or a function; `place` is where it stands."""
    if not isinstance(table.this, exp.Identifier):
        return False
    return bool(table.db) or table.name not in ctes_in_sight(place or table)


def ctes_in_sight(node: exp.Expr) -> frozenset[str]:
    """The names of the CTEs that a part of a query may mean: of the queries around it, and earlier in the same WITH."""
    found: set[str] = set()
    child: exp.Expr = node
    while (parent := child.parent) is not None:
        if isinstance(parent, exp.With):
            for cte in parent.expressions:
                if cte is child:
                    break
                found.add(cte.alias)
        else:
            clause = parent.args.get("with_")
            if clause is not None and clause is not child:
                found |= {cte.alias for cte in clause.expressions}
        child = parent
    return frozenset(found)


def sources(select: exp.Select) -> list[exp.Expr]:
    """The items of one FROM clause."""
    first = [select.args["from_"].this] if select.args.get("from_") else []
    return [*first, *(join.this for join in select.args.get("joins") or [])]


def item_in_sight(item: exp.Expr) -> Name:
    """What an item of FROM is called, where it stands."""
    return item_name(item, ctes_in_sight(item))


def items(select: exp.Select) -> list[Name]:
    """What the items of one FROM clause are called."""
    return [item_in_sight(item) for item in sources(select)]


def means(names: Iterable[Name], column: exp.Column) -> bool:
    """Tell whether a qualified column reference names one of these items."""
    return any(name.means(column) for name in names)


def is_star(item: exp.Expr) -> TypeGuard[exp.Star | exp.Column]:
    """Tell whether an item of the SELECT list is * or alias.*."""
    return isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))
