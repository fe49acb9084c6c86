"""Which plans surely have at most one row, or one for each value of some columns, and how to compare with such a row."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import (
    FLIPPED,
    Attribute,
    Names,
    column,
    conjuncts,
    equalities,
    is_equality,
    plain,
    references,
)
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
    Values,
    Window,
    names,
)


def at_most_one(plan: Plan, pinned: frozenset[str] = frozenset()) -> bool:
    """Tell whether rows that agree in the columns `pinned` are at most one row; without any: the whole plan."""
    match plan:
        case Scan():
            fixed = {stored for a, stored in zip(plan.columns, plan.names, strict=True) if a.name in pinned}
            return plan.relation.single or (bool(plan.relation.key) and set(plan.relation.key) <= fixed)
        case Values():
            return len(plan.rows) <= 1
        case Filter():
            return first_of_window(plan, pinned) or at_most_one(plan.input, pinned | fixed_by(plan))
        case TimeFilter() | UdfProject() | Window():
            return at_most_one(plan.input, pinned)
        case Project():
            passed = {source for a, e in plan.items if a.name in pinned and (source := plain(e)) is not None}
            return at_most_one(plan.input, frozenset(passed))
        case Aggregate():
            return {key.name for key in plan.keys} <= pinned
        case Join():
            return at_most_one_pair(plan, pinned)
        case Lateral():
            return at_most_one(plan.rows) and at_most_one(plan.input, pinned)
        case _:
            return False


def fixed_by(plan: Filter) -> frozenset[str]:
    """The columns that a filter equates with a constant, or with a column of a row outside of the plan."""
    found = set()
    inside = names(plan.input)
    for term in conjuncts(plan.predicate):
        if is_equality(term):
            for one, other in ((term.left, term.right), (term.right, term.left)):
                name = plain(one)
                if name in inside and not references(other) & inside:
                    found.add(name or "")
    return frozenset(found)


def first_of_window(plan: Filter, pinned: frozenset[str]) -> bool:
    """Tell whether a filter keeps only the first row of each partition, where the partition is pinned."""
    window = plan.input
    if not isinstance(window, Window) or not {a.name for a in window.partition} <= pinned:
        return False
    ranks = {a.name for a, e in window.items if isinstance(e, exp.RowNumber)}
    return any(
        (isinstance(term, (exp.LTE, exp.EQ)) and term.right.name == "1" and plain(term.left) in ranks)
        or (isinstance(term, exp.LT) and term.right.name == "2" and plain(term.left) in ranks)
        for term in conjuncts(plan.predicate)
    )


def at_most_one_pair(join: Join, pinned: frozenset[str]) -> bool:
    """Both sides have one row each, one of them perhaps only for the values that the other has."""
    if join.kind in ("semi", "anti"):
        return at_most_one(join.left, pinned)
    if join.kind == "full":
        return False
    left, right = names(join.left), names(join.right)
    pairs = equalities(join.on, left, right)
    met = frozenset(name for _, b in pairs if (name := plain(b)) is not None)
    back = frozenset(name for a, _ in pairs if (name := plain(a)) is not None)
    if at_most_one(join.left, pinned & left):
        return bool(join.single or join.nearest) or at_most_one(join.right, (pinned & right) | met)
    return (
        join.kind == "inner"
        and not join.nearest
        and at_most_one(join.right, pinned & right)
        and at_most_one(join.left, (pinned & left) | back)
    )


def compare_with_row(left: Plan, right: Plan, condition: exp.Expr, labels: Names) -> Join | None:
    """Return the semi join that keeps the left rows for which one comparison with the right row holds.

    None where the condition is something else than `x θ y` with x of the left side and y of the right one.
    """
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if type(condition) not in FLIPPED and not isinstance(condition, exp.EQ):
        return None
    value, bound, comparison = condition.this, condition.expression, type(condition)
    if references(value) <= names(right):
        value, bound, comparison = bound, value, FLIPPED.get(comparison, exp.EQ)
    if not references(value) or not references(value) <= names(left) or not references(bound) <= names(right):
        return None
    attribute = Attribute(labels.fresh("bound"))
    on = comparison(this=value, expression=column(attribute))
    return Join(left, Project(right, ((attribute, bound),)), "semi", on, single=True)


def without_unread_row(plan: Plan, labels: Names, read: frozenset[str] = frozenset()) -> Plan:
    """Turn inner joins with one row, of which nothing is read above but one comparison, into semi joins.

    `FROM a, (SELECT max(y) AS y FROM b) AS t WHERE a.x > t.y` then means the same as a scalar subquery in WHERE.
    """
    match plan:
        case Project():
            read = frozenset().union(*(references(e) for _, e in plan.items))
        case Aggregate():
            read = frozenset(key.name for key in plan.keys).union(*(references(e) for _, e in plan.items))
        case Filter():
            read |= references(plan.predicate)
        case TimeFilter():
            read |= references(plan.value)
        case Join() if plan.kind != "full" and not plan.process_time:
            on = plan.on if plan.on is not None else exp.true()
            if plan.single and plan.kind == "inner" and not read & names(plan.right):
                plan = compare_with_row(plan.left, plan.right, on, labels) or plan
            read = read.union(references(on), *(references(term) for term in plan.nearest))
            return replace(plan, left=without_unread_row(plan.left, labels, read))
        case _:
            return plan
    return replace(plan, input=without_unread_row(plan.input, labels, read))
