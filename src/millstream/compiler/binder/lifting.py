"""Take subqueries out of expressions: each becomes a join below, and a column in its place."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, conjuncts, plain
from millstream.compiler.algebra.operators import Plan, Project, identity, names
from millstream.compiler.binder import subqueries
from millstream.compiler.binder.aggregate_calls import has_aggregates, is_aggregate
from millstream.compiler.binder.aggregates import bind_aggregation
from millstream.compiler.binder.arrays import is_array_of_query
from millstream.compiler.binder.scope import CommonTable, Scope, held
from millstream.compiler.binder.where import bind_where
from millstream.diagnostics import refuse

Items = list[tuple[str, exp.Expr]]
STAND_IN = "millstream_subquery"


def is_subquery(node: exp.Expr) -> bool:
    """Tell whether a node is a subquery in an expression, with the EXISTS, IN, ANY or ALL around it."""
    if isinstance(node, exp.Exists) or (isinstance(node, exp.In) and node.args.get("query") is not None):
        return True
    if isinstance(node, exp.Subquery) or is_array_of_query(node):
        return True
    return (
        isinstance(node, exp.Binary) and isinstance(node.expression, (exp.Any, exp.All)) and has_query(node)
    )


def has_query(node: exp.Expr) -> bool:
    """Tell whether an expression contains a subquery."""
    return node.find(exp.Query, exp.Exists) is not None


def quantified(expression: exp.Expr, path: str | None) -> exp.Expr:
    """Write `x = ANY (SELECT …)` as IN and `x <> ALL (SELECT …)` as NOT IN, in a copy."""

    def change(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Binary) or not isinstance(node.expression, (exp.Any, exp.All)):
            return node
        select = node.expression.this
        if not isinstance(select, exp.Query):
            return node
        found = exp.In(
            this=node.this, query=select if isinstance(select, exp.Subquery) else exp.Subquery(this=select)
        )
        if isinstance(node, exp.EQ) and isinstance(node.expression, exp.Any):
            return found
        if isinstance(node, exp.NEQ) and isinstance(node.expression, exp.All):
            return exp.Not(this=found)
        raise refuse("MS021", node, "ANY or ALL", path)

    root = exp.Paren(this=expression.copy())
    root.transform(change, copy=False)
    changed: exp.Expr = root.this
    return changed


def outermost(expression: exp.Expr) -> list[exp.Expr]:
    """The subqueries of an expression that are not inside another one."""
    nodes = expression.walk(prune=is_subquery)
    return [node for node in nodes if is_subquery(node)]


def lift(
    expression: exp.Expr, plan: Plan, scope: Scope, ctes: Mapping[str, CommonTable]
) -> tuple[Plan, exp.Expr]:
    """Join the subqueries of an expression to a plan; return the expression over the joined columns, not bound."""
    if not has_query(expression):
        return plan, expression
    root = exp.Paren(this=quantified(expression, scope.context.path))
    for node in outermost(root.this):
        joined, value = subqueries.attach_value(node, plan, scope, ctes)
        source = next((each for each in joined.columns if each.name == plain(value)), None)
        attribute = Attribute(
            scope.context.names.fresh("value"),
            source.type if source is not None else None,
            source.nullable if source is not None else True,
        )
        plan = Project(joined, (*identity(plan), (attribute, value)))
        scope.hold(attribute)
        node.replace(held(attribute))
    lifted: exp.Expr = root.this
    return plan, lifted


def lift_items(items: Items, plan: Plan, scope: Scope, ctes: Mapping[str, CommonTable]) -> tuple[Plan, Items]:
    """Lift the subqueries of a SELECT list."""
    lifted: Items = []
    for name, item in items:
        plan, expression = lift(item, plan, scope, ctes)
        lifted.append((name, expression))
    return plan, lifted


def split_having(select: exp.Select) -> tuple[exp.Select, list[exp.Expr]]:
    """Take the conjuncts with subqueries out of HAVING; they are tested after the aggregation."""
    having = select.args.get("having")
    terms = conjuncts(having.this) if having is not None else []
    tests = [term for term in terms if has_query(term)]
    if not tests:
        return select, []
    changed = select.copy()
    rest = [term.copy() for term in terms if not has_query(term)]
    changed.set("having", exp.Having(this=exp.and_(*rest)) if rest else None)
    return changed, tests


def bind_grouped(
    select: exp.Select,
    items: Items,
    plan: Plan,
    scope: Scope,
    ctes: Mapping[str, CommonTable],
) -> tuple[Plan, Scope, Items]:
    """Bind GROUP BY, aggregates and HAVING where expressions may hold subqueries.

    Those inside an aggregate call are joined below the aggregation, the others above it, where only the columns of
    the groups can be read.
    """
    select, tests = split_having(select)
    refuse_grouped_by_subquery(select, items, scope.context.path)
    aside: list[exp.Expr] = []
    prepared: Items = []
    for name, item in [*items, *(("", test) for test in tests)]:
        plan, expression = lift_inside_aggregates(item, plan, scope, ctes)
        prepared.append((name, set_aside(expression, aside, scope.context.path)))
    before = scope
    plan, scope, found = bind_aggregation(select, prepared, plan, scope)
    if aside:
        kept = names(plan)
        for owner, columns in before.tables.items():
            scope.tables[owner] = {label: each for label, each in columns.items() if each.name in kept}
        scope.outer = before.outer
        restored = [(name, restore(item, aside)) for name, item in found]
        conditions = [item for _, item in restored[len(items) :]]
        if conditions:
            plan = bind_where(exp.Where(this=exp.and_(*conditions)), plan, scope, ctes, select)
        plan, found = lift_items(restored[: len(items)], plan, scope, ctes)
    return plan, scope, found[: len(items)]


def refuse_grouped_by_subquery(select: exp.Select, items: Items, path: str | None) -> None:
    """Refuse GROUP BY of a column of the SELECT list that holds a subquery."""
    group = select.args.get("group")
    for term in group.expressions if group is not None else ():
        for position, (name, item) in enumerate(items, 1):
            meant = (isinstance(term, exp.Literal) and term.name == str(position)) or (
                isinstance(term, exp.Column) and not term.table and term.name == name
            )
            if has_query(term) or (meant and has_query(item)):
                raise refuse("MS021", term if has_query(term) else item, "GROUP BY", path)


def lift_inside_aggregates(
    expression: exp.Expr, plan: Plan, scope: Scope, ctes: Mapping[str, CommonTable]
) -> tuple[Plan, exp.Expr]:
    """Lift the subqueries in the arguments and filters of aggregate calls."""
    if not has_query(expression):
        return plan, expression
    root = exp.Paren(this=expression.copy())
    for node in list(root.walk(prune=lambda n: is_subquery(n) or is_aggregate(n))):
        if is_aggregate(node) and has_query(node):
            plan, lifted = lift(node, plan, scope, ctes)
            node.replace(lifted)
    changed: exp.Expr = root.this
    return plan, changed


def set_aside(expression: exp.Expr, aside: list[exp.Expr], path: str | None) -> exp.Expr:
    """Replace subqueries by stand-ins, which an aggregation leaves as they are; of IN it sees the left side."""
    if not has_query(expression):
        return expression
    root = exp.Paren(this=quantified(expression, path))
    for node in outermost(root.this):
        outside = [node.this] if isinstance(node, exp.In) else []
        stand_in = exp.Anonymous(this=STAND_IN, expressions=[exp.Literal.number(len(aside)), *outside])
        node.replace(stand_in)
        aside.append(node)
    changed: exp.Expr = root.this
    return changed


def restore(expression: exp.Expr, aside: list[exp.Expr]) -> exp.Expr:
    """Put the subqueries back."""
    root = exp.Paren(this=expression.copy())
    for node in list(root.find_all(exp.Anonymous)):
        if node.name == STAND_IN:
            number, *outside = node.expressions
            subquery = aside[int(number.name)].copy()
            if outside:
                subquery.set("this", outside[0].copy())
            node.replace(subquery)
    changed: exp.Expr = root.this
    return changed


def needs_grouping(select: exp.Select, items: Items) -> bool:
    """Tell whether a SELECT aggregates."""
    return bool(select.args.get("group") or select.args.get("having")) or any(
        has_aggregates(item) for _, item in items
    )
