"""Which columns tell the rows of a plan apart, and what makes an ORDER BY total."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from millstream.compiler.algebra.expression import Attribute, column, equalities, plain
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
    Unnest,
    Window,
    names,
)
from millstream.compiler.algebra.single import at_most_one, fixed_by

UNORDERED = frozenset(
    ("json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle")
)  # types without <


def unique_key(plan: Plan) -> frozenset[str] | None:
    """Return columns in which no two rows of a plan agree (none: there is at most one row); None if none are known."""
    if isinstance(plan, Scan):
        found = dict(zip(plan.names, (attribute.name for attribute in plan.columns), strict=True))
        key = plan.relation.key
        return frozenset(found[name] for name in key) if key and all(name in found for name in key) else None
    if isinstance(plan, Filter):
        below = unique_key(plan.input)
        return below - fixed_by(plan) if below is not None else None
    if isinstance(plan, (TimeFilter, UdfProject, Window)):
        return unique_key(plan.input)
    if isinstance(plan, Project):
        below = unique_key(plan.input)
        passed = {source: a.name for a, e in plan.items if (source := plain(e)) is not None}
        return (
            frozenset(passed[name] for name in below) if below is not None and below <= set(passed) else None
        )
    if isinstance(plan, Aggregate):
        return frozenset(key.name for key in plan.keys)
    if isinstance(plan, Unnest) and plan.ordinality is not None:
        below = unique_key(plan.input)
        return below | {plan.ordinality.name} if below is not None else None
    if isinstance(plan, Lateral):
        return unique_key(plan.input) if at_most_one(plan.rows) else None
    return join_key(plan) if isinstance(plan, Join) else None


def join_key(join: Join) -> frozenset[str] | None:
    """The keys of both sides; of one alone where the equality finds at most one row of the other for it."""
    left = unique_key(join.left)
    if join.kind in ("semi", "anti"):
        return left
    right = unique_key(join.right)
    if left is None or right is None or join.kind not in ("inner", "left"):
        return None
    pairs = equalities(join.on, names(join.left), names(join.right))
    if right <= {plain(b) for _, b in pairs}:
        return left
    if join.kind == "inner" and left <= {plain(a) for a, _ in pairs}:
        return right
    return left | right


def is_total(plan: Plan, group: Iterable[Attribute], order: Iterable[exp.Expr]) -> bool:
    """Tell whether no two rows of a plan that agree in the columns of `group` tie in `order`."""
    key = unique_key(plan)
    return key is not None and key <= told_apart(group, order)


def told_apart(group: Iterable[Attribute], order: Iterable[exp.Expr]) -> set[str]:
    """The columns that rows which tie in `order` within a group have in common."""
    terms = (term.this if isinstance(term, exp.Ordered) else term for term in order)
    return {a.name for a in group} | {name for term in terms if (name := plain(term)) is not None}


def tie_break(plan: Plan, group: Iterable[Attribute], order: Iterable[exp.Expr]) -> tuple[exp.Expr, ...]:
    """Return what to append to `order` so that rows that still tie are equal: the rest of a key, or every column."""
    used = told_apart(group, order)
    key = unique_key(plan)
    if key is not None and key <= used:
        return ()
    missing = [a for a in plan.columns if a.name not in used and (key is None or a.name in key)]
    return tuple(column(a) for a in missing if a.type not in UNORDERED)
