"""Bind a subquery in an expression as a join, and the value that it stands for.

A subquery that does not refer to the query around it is one row, joined to every row; one that reads the row outside and
no relation is computed with that row; any other is a left join with its distinct rows.
"""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.operators import Plan
from millstream.compiler.binder.binding import Binder
from millstream.compiler.binder.exists import attach_exists
from millstream.compiler.binder.membership import attach_membership
from millstream.compiler.binder.scalar_subqueries import attach_scalar
from millstream.compiler.binder.scope import Scope
from millstream.compiler.syntax import arrays


def attach_value(binder: Binder, node: exp.Expr, plan: Plan, scope: Scope) -> tuple[Plan, exp.Expr]:
    """Join a subquery to a plan; return the joined plan and its value as an expression over it."""
    if isinstance(node, exp.Exists):
        return attach_exists(binder, node, plan, scope)
    if isinstance(node, exp.In):
        return attach_membership(binder, node, plan, scope)
    if isinstance(node, exp.Array):
        return attach_scalar(binder, arrays.gathered(node), plan, scope)
    return attach_scalar(binder, node, plan, scope)
