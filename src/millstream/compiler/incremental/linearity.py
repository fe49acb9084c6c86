"""Which shapes of plan the exact change rules cover."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    Scan,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Values,
    Window,
    scans,
    walk,
)


def is_linear(plan: Plan) -> bool:
    """Tell whether a plan has exact changes: no grouping, window or Python call in it."""
    return not any(isinstance(p, (Aggregate, Window, UdfProject)) for p in walk(plan))


def is_flat(plan: Plan) -> bool:
    """Tell whether a plan may stand right of an outer, semi or anti join.

    That is: inner joins and row-wise operators, no clock, and no relation twice.
    """
    read = [scan.relation for scan in scans(plan)]
    return len(read) == len(set(read)) and all(
        isinstance(p, (Scan, Values, Filter, Project, Unnest, Lateral, UnionAll))
        or (isinstance(p, Join) and p.kind == "inner" and not p.nearest)
        for p in walk(plan)
    )


def over_one_scan(plan: Plan) -> bool:
    """Tell whether a plan only filters and projects one stored relation."""
    while isinstance(plan, (Filter, Project, TimeFilter)):
        plan = plan.input
    return isinstance(plan, Scan)


def invertible(aggregate: Aggregate) -> bool:
    """Tell whether every aggregate is a count, sum or avg, so that changes can be added and taken away."""
    return all(is_invertible(expression) for _, expression in aggregate.items)


def is_invertible(expression: exp.Expr) -> bool:
    """Tell whether one aggregate call is a count, sum or avg without DISTINCT."""
    call = expression.this if isinstance(expression, exp.Filter) else expression
    return isinstance(call, (exp.Count, exp.Sum, exp.Avg)) and not isinstance(
        call.this, (exp.Distinct, exp.Order)
    )
