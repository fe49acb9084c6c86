"""Bind GROUP BY, aggregates and HAVING."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.diagnostics import refuse
from millstream.errors import Refused
from millstream.front.scalar import bind, function_name
from millstream.front.scope import Scope
from millstream.front.unread import refuse_unread
from millstream.plan.expression import Attribute, column, plain
from millstream.plan.nodes import Aggregate, Plan, Project, identity

AGGREGATES = {"bool_and", "bool_or", "every", "bit_and", "bit_or", "jsonb_agg", "string_agg", "array_agg"}
REFUSED = (exp.PercentileCont, exp.PercentileDisc, exp.ApproxDistinct)


def is_aggregate(node: exp.Expr) -> bool:
    """Tell whether a node is an aggregate call (with its FILTER, if any), not a window function."""
    if isinstance(node.parent, exp.Window) and node.arg_key == "this":
        return False
    if isinstance(node, exp.Filter):
        return not isinstance(node.parent, exp.Window)
    if isinstance(node.parent, exp.Filter) and node.arg_key == "this":
        return False
    named = function_name(node)
    if named is not None and named[1].lower() in AGGREGATES:
        return True
    return isinstance(node, (exp.AggFunc, exp.LogicalAnd, exp.LogicalOr)) and not isinstance(
        node, exp.RowNumber
    )


def has_aggregates(expression: exp.Expr) -> bool:
    """Tell whether an expression contains an aggregate outside of window functions."""
    nodes = expression.walk(prune=lambda node: isinstance(node, exp.Query))
    return any(is_aggregate(node) for node in nodes if not isinstance(node, exp.Query))


def bind_aggregation(
    select: exp.Select, items: list[tuple[str, exp.Expr]], plan: Plan, scope: Scope
) -> tuple[Plan, Scope, list[tuple[str, exp.Expr]]]:
    """Bind GROUP BY and HAVING; return the SELECT list rewritten over the groups' columns."""
    context = scope.context
    group = select.args.get("group")
    if group is not None:
        refuse_unread(group, context.path)
        for term in group.expressions:
            if isinstance(term, (exp.Rollup, exp.Cube, exp.GroupingSets, exp.Tuple)):
                raise refuse("MS010", group, f"GROUP BY {term.sql('postgres')}", context.path)
    keyed: list[tuple[exp.Expr, Attribute]] = []  # bound expression, its group column
    computed: list[tuple[Attribute, exp.Expr]] = []
    by_name = dict(items)
    known = {attribute.name: attribute for attribute in plan.columns}
    for term in group.expressions if group is not None else []:
        target = term
        if isinstance(term, exp.Literal) and term.is_int:
            if not 0 < int(term.name) <= len(items):
                raise refuse("MS003", group, f"number {term.name} of the SELECT list", context.path)
            target = items[int(term.name) - 1][1]
        elif isinstance(term, exp.Column) and not term.table and term.name in by_name:
            try:
                bind(term, scope)
            except Refused:  # not a column of FROM: the name of an output, as PostgreSQL reads it
                target = by_name[term.name]
        bound = bind(target, scope)
        name = plain(bound)
        if name is not None:
            attribute = known[name]
        else:
            attribute = Attribute(context.names.fresh("key"))
            computed.append((attribute, bound))
        if all(attribute is not other for _, other in keyed):
            keyed.append((bound, attribute))
    if computed:
        plan = Project(plan, (*identity(plan), *computed))
    found: list[tuple[str, Attribute, exp.Expr]] = []  # text, column, bound call
    grouped = Scope(context, {"": {attribute.name: attribute for _, attribute in keyed}})
    keys_by_text = {bound.sql(): attribute for bound, attribute in keyed}

    def lift(node: exp.Expr) -> exp.Expr:
        if isinstance(node, REFUSED):
            raise refuse("MS010", node, node.key, context.path)
        if is_aggregate(node):
            call = node.this if isinstance(node, exp.Filter) else node
            if any(has_aggregates(part) for part in call.iter_expressions()):
                raise refuse("MS010", node, "aggregate of an aggregate", context.path)
            bound = bind(node, scope)
            text = bound.sql()
            for known_text, attribute, _ in found:
                if known_text == text:
                    return column(attribute)
            counts = isinstance(bound, exp.Count) or (
                isinstance(bound, exp.Filter) and isinstance(bound.this, exp.Count)
            )
            attribute = Attribute(context.names.fresh(node.key), None, not counts)
            found.append((text, attribute, bound))
            grouped.tables[""][attribute.name] = attribute
            return column(attribute)
        if isinstance(node, exp.Window):
            return node
        if not isinstance(node, (exp.Literal, exp.Identifier, exp.DataType)):
            try:
                text = bind(node, scope).sql() if node.find(exp.Column) else ""
            except Refused:  # contains an aggregate or a Python call: look below it
                return node
            if text in keys_by_text:
                return column(keys_by_text[text])
            if isinstance(node, exp.Column):
                raise refuse("MS023", node, node.sql("postgres"), context.path)
        return node

    def over_groups(expression: exp.Expr) -> exp.Expr:
        root = exp.Paren(this=expression.copy())
        root.transform(lift, copy=False)
        changed: exp.Expr = root.this
        return changed

    rewritten = [(name, over_groups(item)) for name, item in items]
    having = select.args.get("having")
    condition = over_groups(having.this) if having is not None else None
    keys = tuple(attribute for _, attribute in keyed)
    result: Plan = Aggregate(plan, keys, tuple((attribute, bound) for _, attribute, bound in found))
    if condition is not None:
        from millstream.front.where import bind_where

        result = bind_where(exp.Where(this=condition), result, grouped, {})
    return result, replace(grouped), rewritten
