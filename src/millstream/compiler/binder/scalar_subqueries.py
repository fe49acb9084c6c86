"""Bind a subquery that stands for one value, NULL where it has no row: a left join, or a join with its one row."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, not_null, plain, references
from millstream.compiler.algebra.operators import (
    Aggregate,
    Join,
    Lateral,
    Plan,
    Project,
    Values,
    identity,
    names,
)
from millstream.compiler.algebra.single import at_most_one
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.correlate import bind_subplan
from millstream.compiler.binder.scope import Context, Scope
from millstream.compiler.binder.subplan import Subplan, check_width
from millstream.diagnostics import refuse


def attach_scalar(binder: Binder, node: exp.Expr, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr]:
    """Join a subquery that stands for one value; NULL where it has no row."""
    context = scope.context
    sub = bind_subplan(binder, node, plan, scope)
    check_width(node, sub, 1, context.path)
    ((label, value),) = sub.outputs
    if sub.sole:
        return Join(plan, sub.plan, "left", sub.condition), value
    if not at_most_one(sub.plan, frozenset(tie.column.name for tie in sub.ties)):
        raise refuse("MS044", node, "", context.path)
    if sub.each:
        return Lateral(plan, sub.plan, outer=not exactly_one(sub.plan)), value
    if not sub.correlated:
        attribute = Attribute(context.names.fresh("value"), None, True)
        row = Project(sub.plan, ((attribute, value),))
        context.places[attribute.name] = (node, context.path)
        kind = "inner" if exactly_one(row) else "left"
        return Join(plan, row, kind, None, single=True), column(attribute)
    right, ((_, value),) = for_left_join(sub, [(label, value)], context)
    return Join(plan, right, "left", sub.condition), value


def for_left_join(
    sub: Subplan, outputs: list[tuple[str, exp.Expr]], context: Context
) -> tuple[Plan, list[tuple[str, exp.Expr]]]:
    """The plan of a subquery for a left join, and its outputs, NULL for a row outside that meets none of its rows.

    What reads the subquery alone is computed below the join; what reads the row outside too, where the join found a row.
    """
    right = sub.plan
    below: list[tuple[Attribute, exp.Expr]] = []
    changed: list[tuple[str, exp.Expr]] = []
    mark = next((tie.column for tie in sub.ties if not tie.nulls), None)
    for name, value in outputs:
        if plain(value) in names(right):
            changed.append((name, value))
        elif references(value) <= names(right):
            attribute = Attribute(context.names.fresh(name or "value"))
            below.append((attribute, value))
            changed.append((name, column(attribute)))
        else:
            if mark is None:
                mark = Attribute(context.names.fresh("found"), "boolean", False)
                below.append((mark, exp.true()))
            changed.append((name, exp.Case().when(not_null(column(mark)), value)))
    return (Project(right, (*identity(right), *below)) if below else right), changed


def exactly_one(plan: Plan) -> bool:
    """Tell whether a plan has exactly one row: an aggregation of everything, with projections above it, or a constant."""
    while isinstance(plan, Project):
        plan = plan.input
    return (isinstance(plan, Aggregate) and not plan.keys) or (
        isinstance(plan, Values) and len(plan.rows) == 1
    )
