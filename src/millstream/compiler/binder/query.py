"""Bind queries: WITH, and the clauses of SELECT in the order in which SQL evaluates them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, plain
from millstream.compiler.algebra.operators import Plan, Project, UdfProject
from millstream.compiler.algebra.single import without_unread_row
from millstream.compiler.binder import lifting, setops, tables
from millstream.compiler.binder.ordering import bind_ordering, read_ordering
from millstream.compiler.binder.scalar import bind, python_call, type_of
from millstream.compiler.binder.scope import Columns, CommonTable, Context, Scope, held
from millstream.compiler.binder.table_functions import lift_sets
from millstream.compiler.binder.unread import refuse_unread
from millstream.compiler.binder.where import bind_where
from millstream.compiler.binder.windows import bind_windows
from millstream.compiler.dialect import write
from millstream.diagnostics import refuse

Outputs = Columns
CALL = re.compile(r"(\w+)\(")  # PostgreSQL names a column after the function that computes it


def bind_query(
    node: exp.Expr, context: Context, ctes: Mapping[str, CommonTable], outer: Scope | None
) -> tuple[Plan, Outputs]:
    """Bind a query; return its plan and its named output columns in order."""
    ctes = with_ctes(node, context, ctes, outer)
    if isinstance(node, exp.Subquery):
        return bind_query(node.this, context, ctes, outer)
    if isinstance(node, exp.SetOperation):
        return setops.bind_set_operation(node, context, ctes, outer)
    if isinstance(node, exp.Values):
        return tables.bind_values(node, Scope(context, outer=outer))
    if isinstance(node, exp.Select):
        return bind_select(node, context, ctes, outer)
    raise refuse("MS010", node, node.key.upper(), context.path)


def with_ctes(
    node: exp.Expr, context: Context, ctes: Mapping[str, CommonTable], outer: Scope | None
) -> Mapping[str, CommonTable]:
    """Return the CTEs in sight, with those that this query declares."""
    clause = node.args.get("with_")
    if clause is None:
        return ctes
    if clause.args.get("recursive"):
        raise refuse("MS010", clause, "WITH RECURSIVE", context.path)
    found = dict(ctes)
    declared: set[str] = set()
    for cte in clause.expressions:
        if cte.alias in declared:
            raise refuse("MS005", cte.args["alias"], f"{cte.alias} in WITH", context.path)
        declared.add(cte.alias)
        columns = tuple(identifier.name for identifier in cte.args["alias"].columns)
        found[cte.alias] = CommonTable(written(cte.this), dict(found), columns, outer)
    return found


def written(body: exp.Expr) -> exp.Expr:
    """Return the query of a CTE; of VALUES sqlglot makes SELECT * FROM (VALUES …) AS _values."""
    source = body.args.get("from_")
    if source is not None and isinstance(source.this, exp.Values) and source.this.alias == "_values":
        return source.this
    return body


def bind_select(
    select: exp.Select, context: Context, ctes: Mapping[str, CommonTable], outer: Scope | None
) -> tuple[Plan, Outputs]:
    """Bind FROM, WHERE, GROUP BY, HAVING, windows, the SELECT list, DISTINCT, ORDER BY with LIMIT."""
    refuse_unread(select, context.path)
    scope = Scope(context, outer=outer)
    plan = tables.bind_from(select, scope, ctes)
    plan = bind_where(select.args.get("where"), plan, scope, ctes, select.args.get("from_") or select)
    if select.args.get("distinct") and not select.expressions:
        raise refuse("MS009", select, "SELECT DISTINCT", context.path)
    named = [(name_of(item, context), item.unalias()) for item in select.expressions]
    ordering, items = read_ordering(select, named, context)
    if lifting.needs_grouping(select, items):
        plan, scope, items = lifting.bind_grouped(select, items, plan, scope, ctes)
    else:
        plan, items = lifting.lift_items(items, plan, scope, ctes)
    plan, items = bind_windows(items, plan, scope, select.args.get("windows"))
    plan, items = lift_sets(items, plan, scope)
    plan, outputs = bind_items(items, plan, scope)
    plan = without_unread_row(plan, context.names)
    columns = [attribute for _, attribute in outputs]
    return bind_ordering(ordering, plan, columns, len(named), context), outputs[: len(named)]


def name_of(item: exp.Expr, context: Context) -> str:
    """Return the output name of an item of the SELECT list."""
    if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
        raise refuse("MS019", item, "", context.path)
    if isinstance(item, (exp.Alias, exp.Column)):
        return str(item.alias_or_name)
    if isinstance(item, exp.Dot):
        return str(item.expression.name)
    if isinstance(item, (exp.Cast, exp.Paren)):
        return name_of(item.this, context)
    if isinstance(item, (exp.Filter, exp.Window, exp.WithinGroup, exp.IgnoreNulls)):
        return name_of(item.this, context)
    if isinstance(item, exp.Anonymous):
        return str(item.name)
    if isinstance(item, exp.Func):
        call = CALL.match(write(item))
        return (call[1] if call else item.sql_name()).lower()
    raise refuse("MS020", item, "", context.path)


def bind_items(items: list[tuple[str, exp.Expr]], plan: Plan, scope: Scope) -> tuple[Plan, Outputs]:
    """Bind the SELECT list; calls of Python functions become an operator of their own below it."""
    context = scope.context
    calls: list[tuple[Attribute, str, tuple[exp.Expr, ...]]] = []

    def lift(node: exp.Expr) -> exp.Expr:
        call = python_call(node, context)
        if call is None:
            return node
        name, arguments = call
        attribute = Attribute(context.names.fresh(name))
        calls.append((attribute, name, tuple(bind(argument, scope) for argument in arguments)))
        scope.hold(attribute)
        return held(attribute)

    bound: list[tuple[str, Attribute, exp.Expr]] = []
    for name, item in items:
        expression = bind(item.copy().transform(lift, copy=False), scope)
        source = plain(expression)
        known = {a.name: a for a in plan.columns}.get(source or "")
        attribute = Attribute(
            context.names.fresh(name or "order"),
            type_of(expression, {a.name: a.type for a in plan.columns}),
            known.nullable if known else not isinstance(expression, (exp.Literal, exp.Count)),
        )
        bound.append((name, attribute, expression))
    if calls:
        plan = UdfProject(plan, tuple(calls))
    plan = Project(plan, tuple((attribute, expression) for _, attribute, expression in bound))
    return plan, [(name, attribute) for name, attribute, _ in bound]
