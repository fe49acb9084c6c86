"""What a plan reads that nothing below it gives: columns of a row outside of it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from millstream.compiler.algebra.expression import references
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    First,
    Join,
    Lateral,
    Plan,
    Project,
    TimeFilter,
    UdfProject,
    Unnest,
    Values,
    Window,
    inputs,
    names,
    walk,
)

Missing = tuple[Plan, str, exp.Expr | None]  # an operator, the column that it lacks, and where it reads it


def expressions(plan: Plan) -> tuple[exp.Expr, ...]:
    """The expressions of an operator itself."""
    match plan:
        case Values():
            return tuple(value for row in plan.rows for value in row)
        case Filter():
            return (plan.predicate,)
        case TimeFilter():
            return (plan.value, plan.bound)
        case Project():
            return tuple(expression for _, expression in plan.items)
        case Join():
            return (*(() if plan.on is None else (plan.on,)), *plan.nearest)
        case Unnest():
            return plan.calls
        case First():
            return plan.order
        case Aggregate():
            return tuple(expression for _, expression in plan.items)
        case Window():
            return (*plan.order, *plan.ties, *(expression for _, expression in plan.items))
        case UdfProject():
            return tuple(argument for _, _, arguments in plan.calls for argument in arguments)
        case _:
            return ()


def reads(plan: Plan) -> frozenset[str]:
    """The columns that an operator itself reads of its input, and of a row outside."""
    found = frozenset[str]().union(*(references(expression) for expression in expressions(plan)))
    if isinstance(plan, Lateral):
        found |= free(plan.rows)
    keys = plan.keys if isinstance(plan, Aggregate) else plan.partition if isinstance(plan, Window) else ()
    return found | {key.name for key in keys}


def free(plan: Plan) -> frozenset[str]:
    """The columns that a plan reads of a row outside of it."""
    below = inputs(plan)
    known = frozenset[str]().union(*(names(child) for child in below))
    return (reads(plan) - known).union(*(free(child) for child in below))


def missing(plan: Plan) -> Iterator[Missing]:
    """The columns that operators read and their inputs do not have, lowest operator last."""
    for operator in walk(plan):
        known = frozenset[str]().union(*(names(child) for child in inputs(operator)))
        for name in sorted(reads(operator) - known):
            place = next((e for e in expressions(operator) if name in references(e)), None)
            yield operator, name, place
