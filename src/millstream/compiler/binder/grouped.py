"""Bind GROUP BY, aggregates and HAVING where expressions may hold subqueries."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import conjuncts
from millstream.compiler.algebra.operators import Plan, names
from millstream.compiler.binder.aggregates import bind_aggregation
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.lifting import has_query, is_subquery, lift, lift_items, outermost, quantified
from millstream.compiler.binder.scope import Scope
from millstream.compiler.binder.where import bind_where
from millstream.compiler.syntax.aggregate_calls import has_aggregates, is_aggregate
from millstream.diagnostics import refuse

Items = list[tuple[str, exp.Expr]]
STAND_IN = "millstream_subquery"


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
    binder: Binder,
    select: exp.Select,
    items: Items,
    plan: Plan,
    scope: Scope,
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
        plan, expression = lift_inside_aggregates(binder, item, plan, scope)
        prepared.append((name, set_aside(expression, aside, scope.context.path)))
    before = scope
    plan, scope, found = bind_aggregation(binder, select, prepared, plan, scope)
    if aside:
        kept = names(plan)
        for owner, columns in before.tables.items():
            scope.tables[owner] = {label: each for label, each in columns.items() if each.name in kept}
        scope.outer = before.outer
        restored = [(name, restore(item, aside)) for name, item in found]
        conditions = [item for _, item in restored[len(items) :]]
        if conditions:
            plan = bind_where(binder, exp.Where(this=exp.and_(*conditions)), plan, scope, select)
        plan, found = lift_items(binder, restored[: len(items)], plan, scope)
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
    binder: Binder, expression: exp.Expr, plan: Plan, scope: Scope
) -> tuple[Plan, exp.Expr]:
    """Lift the subqueries in the arguments and filters of aggregate calls."""
    if not has_query(expression):
        return plan, expression
    root = exp.Paren(this=expression.copy())
    for node in list(root.walk(prune=lambda n: is_subquery(n) or is_aggregate(n))):
        if is_aggregate(node) and has_query(node):
            plan, lifted = lift(binder, node, plan, scope)
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
