"""Let a window over a join read only the columns that something above it reads.

    ω(a ⋈ b) = ω(π(a ⋈ b))

What a window ranks is stored. With the columns that nobody reads, a change of one of them would replace a row that is, to
everybody above, the same.
"""

from __future__ import annotations

from dataclasses import replace

from millstream.compiler.algebra.expression import column, references
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Plan,
    Project,
    Scan,
    Values,
    Window,
    inputs,
    names,
    walk,
    with_inputs,
)


def narrow(plan: Plan, wanted: frozenset[str]) -> Plan:
    """Return the plan with such windows narrowed; `wanted` are its columns that are read."""
    if isinstance(plan, Project):
        wanted = frozenset().union(*(references(expression) for _, expression in plan.items))
    elif isinstance(plan, Filter):
        wanted |= references(plan.predicate)
    elif isinstance(plan, Aggregate):
        wanted = frozenset(key.name for key in plan.keys)
        wanted = wanted.union(*(references(expression) for _, expression in plan.items))
    elif isinstance(plan, Window):
        wanted |= read_by(plan)
        kept = tuple(a for a in plan.input.columns if a.name in wanted)
        if is_join(plan.input) and 0 < len(kept) < len(plan.input.columns):
            return replace(plan, input=Project(plan.input, tuple((a, column(a)) for a in kept)))
    else:
        return with_inputs(plan, tuple(narrow(child, names(child)) for child in inputs(plan)))
    return with_inputs(plan, tuple(narrow(child, wanted & names(child)) for child in inputs(plan)))


def read_by(window: Window) -> frozenset[str]:
    """The columns that a window reads itself."""
    terms = [*window.order, *window.ties, *(e for _, e in window.items)]
    if window.frame is not None:
        terms.append(window.frame)
    return frozenset(key.name for key in window.partition).union(*map(references, terms))


def is_join(plan: Plan) -> bool:
    """Tell whether a plan joins what is stored, and filters it at most: no act, no grouping below."""
    joins = [p for p in walk(plan) if isinstance(p, Join)]
    return (
        bool(joins)
        and not any(join.process_time for join in joins)
        and all(isinstance(p, (Scan, Values, Filter, Project, Join)) for p in walk(plan))
    )
