"""Shapes of plans: which the exact change rules cover, and what one node can keep together."""

from __future__ import annotations

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, plain
from millstream.compiler.algebra.lineage import origins
from millstream.compiler.algebra.operators import (
    Aggregate,
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    Relation,
    Scan,
    TimeFilter,
    UdfProject,
    UnionAll,
    Unnest,
    Values,
    Window,
    names,
    scans,
    walk,
)
from millstream.compiler.incremental.node import passive_leaves


def is_exact(plan: Plan) -> bool:
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


def driver_of(plan: Plan) -> Relation | None:
    """Return the relation whose changes make an on-act plan run: the same one on every branch."""
    passive = passive_leaves(plan)
    found = {scan.relation for scan in scans(plan) if scan.instance not in passive}
    return found.pop() if len(found) == 1 else None


def has_udf(plan: Plan) -> bool:
    """Tell whether a plan calls Python."""
    return any(isinstance(p, UdfProject) for p in walk(plan))


def over_driver(plan: Plan) -> bool:
    """Tell whether a plan is row-wise over one scan, process-time joins included."""
    while not isinstance(plan, Scan):
        if isinstance(plan, Join) and plan.process_time:
            plan = plan.left
        elif isinstance(plan, (Filter, Project, Unnest, Lateral)):
            plan = plan.input
        else:
            return False
    return True


def same_keys(child: Plan, keys: tuple[Attribute, ...]) -> bool:
    """Tell whether the keyed operator below recomputes the same keys, so that both can be computed at once."""
    current = {key.name for key in keys}
    if not current:
        return False
    while not isinstance(child, (Aggregate, Window)):
        if isinstance(child, Project):
            sources = {a.name: plain(e) for a, e in child.items}
            passed = {sources.get(name) for name in current}
            if None in passed:
                return False
            current = {name for name in passed if name is not None}
        elif not isinstance(child, (Filter, Unnest, Lateral)):
            return False
        child = child.input
    if isinstance(child, Aggregate) and invertible(child):
        return False
    below = child.keys if isinstance(child, Aggregate) else child.partition
    return current == {key.name for key in below}


def merged(plan: Plan) -> bool:
    """Tell whether a plan is an aggregation whose changes are merged, so that its readers had better read it stored."""
    while isinstance(plan, (Filter, Project)):
        plan = plan.input
    return isinstance(plan, Aggregate) and invertible(plan) and is_exact(plan.input)


def restless(plan: Plan) -> bool:
    """Tell whether an aggregation's stored rows change where its readers see no change: only keys, or only tests.

    A linear copy of it passes on what readers see: that a key or a truth value came or went.
    """
    if not merged(plan):
        return False
    top = plan.items if isinstance(plan, Project) else ()
    shown = [e for _, e in top if plain(e) is None]
    bare = isinstance(plan, Aggregate) and not plan.items
    return bare or (bool(shown) and all(isinstance(e, exp.Predicate) for e in shown))


def indexable(plan: Window) -> bool:
    """Tell whether every partition can be read in its order from indexes: of one relation, or of each branch of a union."""
    if over_one_scan(plan.input):
        return True
    columns = [key.name for key in plan.partition]
    columns += [plain(t.this if isinstance(t, exp.Ordered) else t) or "" for t in plan.order]
    return (
        all(isinstance(p, (Scan, Filter, Project, UnionAll)) for p in walk(plan.input))
        and bool(plan.partition)
        and not any(key.nullable for key in plan.partition)
        and all(name in names(plan.input) and None not in origins(plan.input, name) for name in columns)
    )
