"""The operators of a plan in words, with the authors' column names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    First,
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
    inputs,
)
from millstream.compiler.postgres.scalar import scalar

NUMBERED = re.compile(r"\b([A-Za-z_]\w*?)_\d+\b")


@dataclass(frozen=True)
class Operator:
    """One operator of a plan with its arguments as text, and what it reads."""

    name: str
    detail: str = ""
    inputs: tuple[Operator, ...] = ()


def operators(plan: Plan) -> Operator:
    """Describe a plan, top down."""
    below = tuple(operators(child) for child in inputs(plan))
    match plan:
        case Scan():
            return Operator("scan", plan.relation.name)
        case Values():
            return Operator("values", f"{len(plan.rows)} rows" if plan.columns else "one row")
        case Filter():
            return Operator("filter", text(plan.predicate), below)
        case TimeFilter():
            return Operator("time filter", text(plan.predicate), below)
        case Project():
            computed = [f"{word(a.name)} = {text(e)}" for a, e in plan.items if not isinstance(e, exp.Column)]
            if not computed and below:
                return below[0]
            return Operator("project", ", ".join(computed), below)
        case Join():
            kind = f"{'process-time ' * plan.process_time}{'asof ' * bool(plan.nearest)}{plan.kind} join"
            return Operator(kind, text(plan.on) if plan.on is not None else "", below)
        case Unnest():
            return Operator("unnest", ", ".join(text(call) for call in plan.calls), below)
        case Lateral():
            return Operator("for each row", "", (*below, operators(plan.rows)))
        case UnionAll():
            return Operator("union all", "", below)
        case First():
            return Operator("first", f"{plan.count} by {', '.join(text(e) for e in plan.order)}", below)
        case Aggregate():
            keys = ", ".join(word(key.name) for key in plan.keys) or "all rows"
            items = ", ".join(text(e) for _, e in plan.items)
            return Operator("aggregate", f"by {keys}: {items}" if items else f"by {keys}", below)
        case Window():
            partition = ", ".join(word(a.name) for a in plan.partition)
            order = ", ".join(text(e) for e in plan.order)
            items = ", ".join(text(e) for _, e in plan.items)
            over = " ".join(p for p in (partition and f"by {partition}", order and f"order {order}") if p)
            return Operator("window", f"{items} {over}".strip(), below)
        case UdfProject():
            return Operator("python", ", ".join(name for _, name, _ in plan.calls), below)


def text(expression: exp.Expr) -> str:
    """An expression as SQL with the authors' column names."""
    return word(scalar(expression, guarded=False).replace("millstream.now()", "now()").replace('"', ""))


def word(name: str) -> str:
    """Take the compiler's numbers off column names."""
    return NUMBERED.sub(r"\1", name)
