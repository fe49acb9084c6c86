"""Bind EXISTS: a semi or anti join where it is a conjunct of WHERE, anywhere else a column that says whether a row was found."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, negation, not_null
from millstream.compiler.algebra.operators import Aggregate, Join, Lateral, Plan, Project, identity
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.correlate import bind_subplan
from millstream.compiler.binder.scope import Context, Scope
from millstream.compiler.binder.subplan import Subplan, distinct_ties, rows_kept
from millstream.diagnostics import refuse


def bind_exists(binder: Binder, node: exp.Exists, negated: bool, plan: Plan, scope: Scope) -> Plan:
    """Keep the rows for which [NOT] EXISTS holds."""
    sub = bind_subplan(binder, node.this, plan, scope)
    if sub.sole or sub.each or not sub.correlated:
        joined, found = attach_found(node, sub, plan, scope.context)
        return rows_kept(plan, joined, negation(found) if negated else found)
    if not sub.ties:
        raise refuse("MS015", node, "", scope.context.path)
    return Join(plan, sub.plan, "anti" if negated else "semi", sub.condition)


def attach_exists(binder: Binder, node: exp.Exists, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr]:
    """Join a subquery to a plan; return the joined plan and whether the subquery has rows."""
    sub = bind_subplan(binder, node.this, plan, scope, strict=True)
    return attach_found(node, sub, plan, scope.context)


def attach_found(node: exp.Expr, sub: Subplan, plan: Plan, context: Context) -> tuple[Plan, exp.Expr]:
    """Join whether a subquery has rows: one row in all, one for each row outside, or one for each value of its ties."""
    if sub.sole:
        return plan, exp.true()
    if not sub.correlated or sub.each:
        count = Attribute(context.names.fresh("count"), "bigint", False)
        found = Attribute(context.names.fresh("found"), "boolean", False)
        counted = Aggregate(sub.plan, (), ((count, exp.Count(this=exp.Star(), big_int=True)),))
        some = exp.GT(this=column(count), expression=exp.Literal.number(0))
        context.places[found.name] = (node, context.path)
        return joined_row(plan, Project(counted, ((found, some),)), sub), column(found)
    rows, on = distinct_ties(sub, (), context.names)
    mark = next((key for key, tie in zip(rows.keys, sub.ties, strict=True) if not tie.nulls), None)
    if mark is not None:
        return Join(plan, rows, "left", on), not_null(column(mark))
    mark = Attribute(context.names.fresh("found"), "boolean", False)
    marked = Project(rows, (*identity(rows), (mark, exp.true())))
    return Join(plan, marked, "left", on), not_null(column(mark))


def joined_row(plan: Plan, row: Plan, sub: Subplan) -> Plan:
    """Join the one row of a subquery that is not tied to the rows outside, or that reads nothing else."""
    return Lateral(plan, row) if sub.each else Join(plan, row, "inner", None, single=True)
