"""Exact changes: the linear ones of filter, project, union and unnest, the bilinear ones of joins of every kind."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from millstream.compiler.algebra.expression import CLOCKS, WEIGHT, Attribute, column, transform
from millstream.compiler.algebra.operators import (
    Filter,
    Join,
    Lateral,
    Plan,
    Project,
    Scan,
    Side,
    TimeFilter,
    UnionAll,
    Unnest,
    inputs,
    scans,
    with_inputs,
)
from millstream.compiler.incremental.dynamic_filter import bound_comparison, differentiate_bound

WEIGHTED = Attribute(WEIGHT, "integer", False)
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Term:
    """One addend of a change: a plan with a weight column, and when it must run.

    `moment` is relative to the moment at which the changes of the differentiated leaf are applied to its table.
    """

    plan: Plan
    moment: str


def differentiate(plan: Plan, instance: int, moment: str) -> list[Term]:
    """Return the terms of Δplan that the changes of one leaf cause, all other leaves as they are at that time.

        Δσ(a) = σ(Δa)    Δπ(a) = π(Δa)    Δμ(a) = μ(Δa)    Δ(a ⊎ b) = Δa ⊎ Δb    Δ(a ⋈ b) = Δa ⋈ b + a ⋈ Δb (+ Δa ⋈ Δb)

    The last addend is there because a leaf later in the order of a tick meets the leaves before it already changed.
    `moment` is when the caller will run terms that may run at either; a left, semi or anti join whose right side
    changes yields a term at each: the affected left rows are taken out before and put back after.
    """
    if isinstance(plan, Scan):
        return [
            Term(
                replace(
                    plan, side=Side.DELTA, columns=(*plan.columns, WEIGHTED), names=(*plan.names, WEIGHT)
                ),
                moment,
            )
        ]
    if isinstance(plan, TimeFilter):
        return differentiate_time(plan, instance, moment)
    if isinstance(plan, (Filter, Unnest, Lateral)):
        return [
            replace(t, plan=replace(plan, input=t.plan)) for t in differentiate(plan.input, instance, moment)
        ]
    if isinstance(plan, Project):
        return [
            replace(t, plan=Project(t.plan, (*plan.items, (WEIGHTED, column(WEIGHT)))))
            for t in differentiate(plan.input, instance, moment)
        ]
    if isinstance(plan, UnionAll):
        branch = next(b for b in plan.inputs if has_leaf(b, instance))
        renamed = tuple((top, column(own)) for top, own in zip(plan.columns, branch.columns, strict=True))
        return [
            replace(t, plan=Project(t.plan, (*renamed, (WEIGHTED, column(WEIGHT)))))
            for t in differentiate(branch, instance, moment)
        ]
    if isinstance(plan, Join):
        return differentiate_join(plan, instance, moment)
    raise TypeError(f"{type(plan).__name__} is not linear")


def has_leaf(plan: Plan, instance: int) -> bool:
    """Tell whether a scan occurs in a plan."""
    return any(scan.instance == instance for scan in scans(plan))


def differentiate_join(plan: Join, instance: int, moment: str) -> list[Term]:
    """Δ(a ⋈ b) by the changed side; for the right side of an outer, semi or anti join, −old + new of the left rows it meets."""
    if plan.kind == "full":
        raise TypeError("a full join is written as two left joins first")
    if has_leaf(plan.left, instance):
        return [
            replace(t, plan=replace(plan, left=t.plan, leads="left"))
            for t in differentiate(plan.left, instance, moment)
        ]
    changed = differentiate(plan.right, instance, moment)
    if plan.kind == "inner" and not plan.nearest:
        return [replace(t, plan=replace(plan, right=t.plan, leads="right")) for t in changed]
    if bound_comparison(plan) is not None:
        return [replace(t, plan=rows) for t in changed for rows in differentiate_bound(plan, t.plan)]
    (term,) = changed
    met = Join(plan.left, term.plan, "semi", plan.on, leads="right")
    again = replace(plan, left=met, leads="left")
    passed = tuple((attribute, column(attribute)) for attribute in plan.columns)
    return [
        Term(Project(again, (*passed, (WEIGHTED, exp.Literal.number(weight)))), when)
        for weight, when in ((-1, BEFORE), (1, AFTER))
    ]


def differentiate_time(plan: TimeFilter, instance: int, moment: str) -> list[Term]:
    """Rows that came, went, or were passed by the bound since the last tick.

    Run before the leaf is changed:  σ_now(Δa) + (σ_now − σ_then)(a);  after:  σ_then(Δa) + (σ_now − σ_then)(a + Δa).
    Where `a` is itself filtered by the clock, that filter reads then in `a` and now in `a + Δa`.
    """
    clock, below = ("now", "then") if moment == BEFORE else ("then", "now")
    came = [
        replace(t, plan=replace(plan, input=t.plan, clock=clock))
        for t in differentiate(plan.input, instance, moment)
    ]
    now, then = plan.predicate, at_then(plan.predicate)
    entered = exp.and_(now, exp.Not(this=exp.paren(then)))
    left = exp.and_(then, exp.Not(this=exp.paren(now)))
    low, high = at_then(plan.bound), plan.bound.copy()
    between = exp.and_(
        exp.GTE(this=plan.value.copy(), expression=exp.func("least", low, high, dialect="postgres")),
        exp.LTE(this=plan.value.copy(), expression=exp.func("greatest", low, high, dialect="postgres")),
    )
    passed = tuple((attribute, column(attribute)) for attribute in plan.columns)
    weight = exp.Case().when(entered, exp.Literal.number(1)).else_(exp.Literal.number(-1))
    crossed = Filter(at_clock(plan.input, below), exp.and_(between, exp.paren(exp.or_(entered, left))))
    return [*came, Term(Project(crossed, (*passed, (WEIGHTED, weight))), moment)]


def at_clock(plan: Plan, clock: str) -> Plan:
    """Return a plan whose time filters read the clock of this tick (now) or of the one before (then)."""
    plan = with_inputs(plan, tuple(at_clock(child, clock) for child in inputs(plan)))
    return replace(plan, clock=clock) if isinstance(plan, TimeFilter) else plan


def at_then(expression: exp.Expr) -> exp.Expr:
    """Return an expression with now() read at the tick before."""

    def change(node: exp.Expr) -> exp.Expr:
        return exp.Anonymous(this="millstream.last_now") if isinstance(node, CLOCKS) else node

    return transform(expression, change)
