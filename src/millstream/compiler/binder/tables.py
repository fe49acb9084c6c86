"""Bind the items of FROM: relations, views, CTEs, subqueries, constant rows and unnest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute
from millstream.compiler.algebra.operators import ONE_ROW, Plan, Relation, Scan, Values
from millstream.compiler.binder import joins, lateral, query, time_windows
from millstream.compiler.binder.functions import inline
from millstream.compiler.binder.parse import is_process_time, parse
from millstream.compiler.binder.scalar import bind
from millstream.compiler.binder.scope import (
    DEFAULT_SCHEMA,
    Added,
    Columns,
    CommonTable,
    Context,
    Name,
    Scope,
    ViewText,
    item_name,
)
from millstream.compiler.binder.set_calls import function_in_from
from millstream.compiler.binder.suggest import likely
from millstream.compiler.binder.table_functions import bind_in_from
from millstream.compiler.binder.unread import refuse_unread
from millstream.compiler.dialect import write
from millstream.diagnostics import refuse

Shown = TypeVar("Shown", Attribute, exp.Expr)


def scan(relation: Relation, context: Context) -> Scan:
    """Read a stored relation through attributes of their own."""
    attributes = tuple(
        Attribute(context.names.fresh(name), type_, nullable) for name, type_, nullable in relation.columns
    )
    stored = tuple(name for name, _, _ in relation.columns)
    return Scan(relation, attributes, context.names.instance(), stored)


def bind_table(table: exp.Table, scope: Scope, ctes: Mapping[str, CommonTable]) -> tuple[Plan, Columns]:
    """Bind a name in FROM: a CTE, a stored relation or a plain view."""
    context = scope.context
    if not table.db and table.name in ctes:
        cte = ctes[table.name]
        plan, outputs = query.bind_query(cte.query, context, cte.ctes, cte.outer)
        return plan, relabelled(outputs, cte.columns, f"CTE {table.name}", table, context.path)
    found = context.catalog.relation(table.db or None, table.name)
    if found is None:
        written = f"{table.db}.{table.name}" if table.db else table.name
        raise refuse("MS002", table, written, context.path, likely_relation(table, context, ctes))
    if isinstance(found, ViewText):
        inner = replace(context, path=found.path)
        plan, outputs = query.bind_query(
            inline(parse(found.sql, found.path), context.catalog, found.path), inner, {}, None
        )
        return plan, outputs
    leaf = scan(found, context)
    return leaf, list(zip(leaf.names, leaf.columns, strict=True))


def likely_relation(table: exp.Table, context: Context, ctes: Mapping[str, CommonTable]) -> str:
    """Say which relation may be meant by a name that nothing has."""
    known = list(context.catalog.known())
    if not table.db:
        near = [name for schema, name in known if schema == DEFAULT_SCHEMA]
        others = [f"{schema}.{name}" for schema, name in known if name == table.name]
        return likely(table.name, [*ctes, *near]) or (f"did you mean {others[0]}?" if others else "")
    within = [name for schema, name in known if schema == table.db]
    return (
        likely(table.name, within, table.db) if within else likely(table.db, (schema for schema, _ in known))
    )


def bind_item(item: exp.Expr, scope: Scope, ctes: Mapping[str, CommonTable]) -> tuple[Plan, Added]:
    """Bind one item of FROM that does not depend on its neighbours; return the columns of each alias it adds."""
    path = scope.context.path
    if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table):
        return bind_bracketed(item, scope, ctes)
    if isinstance(item, (exp.Table, exp.Subquery, exp.Values)):
        refuse_unread(item, path)
    if isinstance(item, exp.Table) and (call := time_windows.window_function(item)) is not None:
        plan, columns, name = time_windows.bind_time_window(call, scope, ctes)
        return plan, [(Name(item.alias) if item.alias else name, aliased(columns, item, path))]
    if isinstance(item, exp.Table):
        if isinstance(item.this, exp.Func):
            raise refuse("MS010", item, f"table function {write(item.this)}", path)
        plan, columns = bind_table(item, scope, ctes)
    elif isinstance(item, exp.Subquery):
        plan, columns = query.bind_query(item.this, scope.context, ctes, scope.outer)
    elif isinstance(item, exp.Values):
        plan, columns = bind_values(item, scope)
    else:
        raise refuse("MS010", item, f"{item.key} in FROM", path)
    for _, attribute in columns:
        scope.context.places.setdefault(attribute.name, (item, path))
    return plan, [(item_name(item, ctes), aliased(columns, item, path))]


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


def bind_bracketed(item: exp.Subquery, scope: Scope, ctes: Mapping[str, CommonTable]) -> tuple[Plan, Added]:
    """Bind `(a JOIN b ON …)` in FROM, which is joined as a whole and shows the aliases inside."""
    if item.args.get("alias") is not None:
        raise refuse("MS010", item, "an alias for joins in brackets", scope.context.path)
    inner = Scope(scope.context, outer=scope.outer)
    first = item.this.copy()
    found = first.args.get("joins") or []
    if not found:
        raise refuse("MS001", item, "brackets around one relation", scope.context.path)
    first.set("joins", None)
    plan, added = bind_item(first, inner, ctes)
    for name, columns in added:
        inner.add(name, columns, first)
    for join in found:
        plan = joins.bind_join(join, plan, inner, ctes)
    if inner.merged:
        raise refuse("MS010", item, "USING inside brackets", scope.context.path)
    return plan, [(name, list(columns.items())) for name, columns in inner.tables.items()]


def bind_values(item: exp.Values, scope: Scope) -> tuple[Values, Columns]:
    """Bind `(VALUES (…), …) AS alias(column, …)`; columns without a name are column1, column2, …"""
    rows = tuple(
        tuple(
            bind(value, Scope(scope.context, outer=scope.outer))
            for value in (row.expressions if isinstance(row, exp.Tuple) else [row])
        )
        for row in item.expressions
    )
    for row, written in zip(rows, item.expressions, strict=True):
        if len(row) != len(rows[0]):
            detail = f"VALUES with rows of {len(rows[0])} and {len(row)} values"
            raise refuse("MS025", written, detail, scope.context.path)
    attributes = tuple(
        Attribute(
            scope.context.names.fresh("column"),
            None,
            not all(isinstance(row[n], exp.Literal) for row in rows),
        )
        for n in range(len(rows[0]))
    )
    return Values(rows, attributes), [(f"column{n}", a) for n, a in enumerate(attributes, 1)]


def bind_from(select: exp.Select, scope: Scope, ctes: Mapping[str, CommonTable]) -> Plan:
    """Bind FROM and its joins, left to right, into one plan; `scope` gains the aliases."""
    source = select.args.get("from_")
    first = source.this if source is not None else None
    if isinstance(first, exp.Table) and is_process_time(first):
        raise refuse("MS016", first, "the left side", scope.context.path)
    plan: Plan = ONE_ROW  # which a SELECT without FROM reads
    if first is not None and function_in_from(first) is not None:
        plan = bind_in_from(first, plan, scope)
    elif isinstance(first, exp.Lateral):
        plan = lateral.bind_lateral(exp.Join(this=first), plan, scope, ctes)
    elif first is not None:
        plan, added = bind_item(first, scope, ctes)
        for name, columns in added:
            scope.add(name, columns, first)
    for join in select.args.get("joins") or []:
        plan = joins.bind_join(join, plan, scope, ctes)
    return plan
