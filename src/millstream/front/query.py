"""Bind queries: WITH, UNION, and the clauses of SELECT in the order in which SQL evaluates them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.front import tables
from millstream.front.aggregates import bind_aggregation, has_aggregates
from millstream.front.ordering import bind_ordering, read_ordering
from millstream.front.scalar import bind, python_call, type_of
from millstream.front.scope import CommonTable, Context, Scope
from millstream.front.unread import refuse_unread
from millstream.front.where import bind_where
from millstream.front.windows import bind_windows
from millstream.plan.expression import Attribute, column, plain
from millstream.plan.nodes import Aggregate, Plan, Project, UdfProject, UnionAll

Outputs = list[tuple[str, Attribute]]
CALL = re.compile(r"(\w+)\(")  # PostgreSQL names a column after the function that computes it


def bind_query(
    node: exp.Expr, context: Context, ctes: Mapping[str, CommonTable], outer: Scope | None
) -> tuple[Plan, Outputs]:
    """Bind a query; return its plan and its named output columns in order."""
    ctes = with_ctes(node, context, ctes)
    if isinstance(node, exp.Subquery):
        return bind_query(node.this, context, ctes, outer)
    if isinstance(node, exp.Union):
        return bind_union(node, context, ctes)
    if isinstance(node, exp.Select):
        return bind_select(node, context, ctes, outer)
    raise refuse("MS010", node, node.key.upper(), context.path)


def with_ctes(node: exp.Expr, context: Context, ctes: Mapping[str, CommonTable]) -> Mapping[str, CommonTable]:
    """Return the CTEs in sight, with those that this query declares."""
    clause = node.args.get("with_")
    if clause is None:
        return ctes
    if clause.args.get("recursive"):
        raise refuse("MS010", clause, "WITH RECURSIVE", context.path)
    found = dict(ctes)
    for cte in clause.expressions:
        columns = tuple(identifier.name for identifier in cte.args["alias"].columns)
        found[cte.alias] = CommonTable(cte.this, dict(found), columns)
    return found


def bind_union(node: exp.Union, context: Context, ctes: Mapping[str, CommonTable]) -> tuple[Plan, Outputs]:
    """Bind UNION ALL as one operator over all its branches; UNION adds a GROUP BY of every column."""
    if node.args.get("order") or node.args.get("limit"):
        raise refuse("MS010", node, "ORDER BY or LIMIT of a UNION", context.path)
    branches = [bind_query(side, context, ctes, None) for side in (node.left, node.right)]
    widths = [len(outputs) for _, outputs in branches]
    if widths[0] != widths[1]:
        raise refuse("MS022", node.right, f"{widths[0]} and {widths[1]} columns", context.path)
    labels = [name for name, _ in branches[0][1]]
    plans: list[Plan] = []
    for plan, outputs in branches:
        items = tuple((attribute, column(attribute)) for _, attribute in outputs)
        if isinstance(plan, UnionAll) and tuple(a for a, _ in items) == plan.columns:
            plans.extend(plan.inputs)
        else:
            plans.append(distinctly_named(plan, outputs, context))
    both = [outputs for _, outputs in branches]
    columns = tuple(
        Attribute(
            context.names.fresh(label),
            both[0][position][1].type,
            any(outputs[position][1].nullable for outputs in both),
        )
        for position, label in enumerate(labels)
    )
    result: Plan = UnionAll(tuple(plans), columns)
    if node.args.get("distinct"):
        result = Aggregate(result, columns, ())
    return result, list(zip(labels, columns, strict=True))


def distinctly_named(plan: Plan, outputs: Outputs, context: Context) -> Project:
    """Project exactly the outputs, in order, each under an attribute of its own."""
    return Project(
        plan,
        tuple(
            (Attribute(context.names.fresh(name), attribute.type, attribute.nullable), column(attribute))
            for name, attribute in outputs
        ),
    )


def bind_select(
    select: exp.Select, context: Context, ctes: Mapping[str, CommonTable], outer: Scope | None
) -> tuple[Plan, Outputs]:
    """Bind FROM, WHERE, GROUP BY, HAVING, windows, the SELECT list, DISTINCT, ORDER BY with LIMIT."""
    refuse_unread(select, context.path)
    scope = Scope(context, outer=outer)
    plan = tables.bind_from(select, scope, ctes)
    plan = bind_where(select.args.get("where"), plan, scope, ctes)
    named = [(name_of(item, context), item.unalias()) for item in select.expressions]
    ordering, items = read_ordering(select, named, context)
    if (
        select.args.get("group")
        or select.args.get("having")
        or any(has_aggregates(item) for _, item in items)
    ):
        plan, scope, items = bind_aggregation(select, items, plan, scope)
    plan, items = bind_windows(items, plan, scope, select.args.get("windows"))
    plan, outputs = bind_items(items, plan, scope)
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
    if isinstance(item, (exp.Filter, exp.Window, exp.WithinGroup)):
        return name_of(item.this, context)
    if isinstance(item, exp.Func):
        call = CALL.match(item.sql("postgres", normalize_functions=False))
        return str(
            item.name if isinstance(item, exp.Anonymous) else call[1] if call else item.sql_name()
        ).lower()
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
        scope.tables.setdefault("", {})[attribute.name] = attribute
        return exp.column(exp.to_identifier(attribute.name, quoted=True))

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
