"""Bind queries: WITH, UNION, and the clauses of SELECT in the order in which SQL evaluates them."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.errors import Refused
from millstream.front import tables
from millstream.front.aggregates import bind_aggregation, has_aggregates
from millstream.front.scalar import bind, python_call, type_of
from millstream.front.scope import CommonTable, Context, Scope
from millstream.front.unread import refuse_unread
from millstream.front.where import bind_where
from millstream.front.windows import bind_windows
from millstream.plan.expression import Attribute, column, plain
from millstream.plan.nodes import Aggregate, Filter, Plan, Project, UdfProject, UnionAll, Window

Outputs = list[tuple[str, Attribute]]


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
    items = [(name_of(item, context), item.unalias()) for item in select.expressions]
    if (
        select.args.get("group")
        or select.args.get("having")
        or any(has_aggregates(item) for _, item in items)
    ):
        plan, scope, items = bind_aggregation(select, items, plan, scope)
    plan, items = bind_windows(items, plan, scope)
    plan, outputs = bind_items(items, plan, scope)
    if select.args.get("distinct"):
        if select.args["distinct"].args.get("on"):
            raise refuse("MS010", select, "DISTINCT ON", context.path)
        plan = Aggregate(plan, tuple(attribute for _, attribute in outputs), ())
    return bind_limit(select, plan, outputs, scope), outputs


def name_of(item: exp.Expr, context: Context) -> str:
    """Return the output name of an item of the SELECT list."""
    if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
        raise refuse("MS019", item, "", context.path)
    if item.alias_or_name:
        return str(item.alias_or_name)
    if isinstance(item, exp.Dot):
        return str(item.expression.name)
    if isinstance(item, (exp.Cast, exp.Paren)):
        return name_of(item.this, context)
    if isinstance(item, exp.Func):
        return str(item.name if isinstance(item, exp.Anonymous) else item.sql_name()).lower()
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
            context.names.fresh(name),
            type_of(expression, {a.name: a.type for a in plan.columns}),
            known.nullable if known else not isinstance(expression, (exp.Literal, exp.Count)),
        )
        bound.append((name, attribute, expression))
    if calls:
        plan = UdfProject(plan, tuple(calls))
    plan = Project(plan, tuple((attribute, expression) for _, attribute, expression in bound))
    return plan, [(name, attribute) for name, attribute, _ in bound]


def bind_limit(select: exp.Select, plan: Plan, outputs: Outputs, below: Scope) -> Plan:
    """Bind ORDER BY … LIMIT k as a top-N over everything; the order may use outputs and columns of FROM."""
    context = below.context
    order, limit = select.args.get("order"), select.args.get("limit")
    if select.args.get("offset"):
        raise refuse("MS010", select.args["offset"], "OFFSET", context.path)
    if limit is None:
        if order is not None:
            raise refuse("MS012", order, "", context.path)
        return plan
    if order is None:
        raise refuse("MS011", limit, "", context.path)
    if not isinstance(limit, exp.Limit) or not isinstance(limit.expression, exp.Literal):
        raise refuse("MS010", limit, "FETCH or a computed LIMIT", context.path)
    scope = Scope(context, {"": dict(outputs)})
    shown = tuple((attribute, column(attribute)) for _, attribute in outputs)
    extra: list[tuple[Attribute, exp.Expr]] = []
    terms = []
    for term in order.expressions:
        try:
            terms.append(bind(term, scope))
        except Refused:
            if not isinstance(plan, Project):
                raise
            attribute = Attribute(context.names.fresh("order"))
            extra.append((attribute, bind(term.this, below)))
            ordered = term.copy()
            ordered.set("this", column(attribute))
            terms.append(ordered)
    if extra and isinstance(plan, Project):
        plan = Project(plan.input, (*plan.items, *extra))
    rank = Attribute(context.names.fresh("rank"), "bigint", False)
    ranked = Window(plan, (), tuple(terms), ((rank, exp.RowNumber()),))
    kept = Filter(ranked, exp.LTE(this=column(rank), expression=limit.expression.copy()))
    return Project(kept, shown)
