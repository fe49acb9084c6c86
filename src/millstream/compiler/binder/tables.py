"""Bind what a name in FROM stands for: a stored relation, a plain view or a CTE; and constant rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute
from millstream.compiler.algebra.operators import Plan, Relation, Scan, Values
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import Columns, Context, Scope, ViewText
from millstream.compiler.binder.sql_functions import inline
from millstream.compiler.syntax.from_items import DEFAULT_SCHEMA
from millstream.compiler.syntax.parse import parse
from millstream.compiler.syntax.suggest import likely
from millstream.diagnostics import refuse

Shown = TypeVar("Shown", Attribute, exp.Expr)


def scan(relation: Relation, context: Context) -> Scan:
    """Read a stored relation through attributes of their own."""
    attributes = tuple(
        Attribute(context.names.fresh(name), type_, nullable) for name, type_, nullable in relation.columns
    )
    stored = tuple(name for name, _, _ in relation.columns)
    return Scan(relation, attributes, context.names.instance(), stored)


def bind_table(binder: Binder, table: exp.Table, scope: Scope) -> tuple[Plan, Columns]:
    """Bind a name in FROM: a CTE, a stored relation or a plain view."""
    context = scope.context
    cte = scope.cte(table.name) if not table.db else None
    if cte is not None:
        plan, outputs = binder.query(cte.query, cte.scope)
        return plan, relabelled(outputs, cte.columns, f"CTE {table.name}", table, context.path)
    found = context.catalog.relation(table.db or None, table.name)
    if found is None:
        written = f"{table.db}.{table.name}" if table.db else table.name
        raise refuse("MS002", table, written, context.path, likely_relation(table, scope))
    if isinstance(found, ViewText):
        inner = replace(context, path=found.path)
        body = inline(parse(found.sql, found.path), context.catalog, found.path)
        return binder.query(body, Scope(inner))
    leaf = scan(found, context)
    return leaf, list(zip(leaf.names, leaf.columns, strict=True))


def likely_relation(table: exp.Table, scope: Scope) -> str:
    """Say which relation may be meant by a name that nothing has."""
    known = list(scope.context.catalog.known())
    if not table.db:
        near = [name for schema, name in known if schema == DEFAULT_SCHEMA]
        others = [f"{schema}.{name}" for schema, name in known if name == table.name]
        return likely(table.name, [*scope.ctes_in_sight(), *near]) or (
            f"did you mean {others[0]}?" if others else ""
        )
    within = [name for schema, name in known if schema == table.db]
    return (
        likely(table.name, within, table.db) if within else likely(table.db, (schema for schema, _ in known))
    )


def aliased(columns: Columns, item: exp.Expr, path: str | None) -> Columns:
    """Give columns the names of `AS alias(name, …)`."""
    alias = item.args.get("alias")
    labels = [identifier.name for identifier in alias.columns] if alias is not None else []
    return relabelled(columns, labels, item.alias, alias, path)


def relabelled(
    columns: Sequence[tuple[str, Shown]],
    labels: Sequence[str],
    owner: str,
    node: exp.Expr | None,
    path: str | None,
) -> list[tuple[str, Shown]]:
    """Give the first columns of `owner` other names; those beyond the list keep theirs."""
    if len(labels) > len(columns):
        raise refuse(
            "MS025",
            node,
            f"{len(labels)} names for the {len(columns)} columns of {owner or 'the subquery'}",
            path,
        )
    return [
        (labels[position] if position < len(labels) else name, attribute)
        for position, (name, attribute) in enumerate(columns)
    ]


def bind_values(item: exp.Values, around: Scope) -> tuple[Values, Columns]:
    """Bind `(VALUES (…), …) AS alias(column, …)`; columns without a name are column1, column2, …"""
    rows = tuple(
        tuple(bind(value, around) for value in (row.expressions if isinstance(row, exp.Tuple) else [row]))
        for row in item.expressions
    )
    for row, written in zip(rows, item.expressions, strict=True):
        if len(row) != len(rows[0]):
            detail = f"VALUES with rows of {len(rows[0])} and {len(row)} values"
            raise refuse("MS025", written, detail, around.context.path)
    attributes = tuple(
        Attribute(
            around.context.names.fresh("column"),
            None,
            not all(isinstance(row[n], exp.Literal) for row in rows),
        )
        for n in range(len(rows[0]))
    )
    return Values(rows, attributes), [(f"column{n}", a) for n, a in enumerate(attributes, 1)]
