"""Conditions that read a row outside, taken out of filters and inner joins and up to the top of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import (
    Attribute,
    column,
    conjunction,
    conjuncts,
    plain,
    references,
)
from millstream.compiler.algebra.free import free
from millstream.compiler.algebra.operators import Filter, Join, Plan, Project, names

Item = tuple[Attribute, exp.Expr]
Raised = tuple[Plan, list[exp.Expr]]


def raised(plan: Plan, outer: frozenset[str]) -> Raised | None:
    """A plan without the conditions that read outer columns, and these; None where something else reads them too."""
    if not free(plan) & outer:
        return plan, []
    if isinstance(plan, Project):
        return raised_project(plan, outer)
    if isinstance(plan, Filter):
        below = raised(plan.input, outer)
        if below is None:
            return None
        rows, terms = below
        own = conjuncts(plan.predicate)
        kept = conjunction([term for term in own if not references(term) & outer])
        linked = [term for term in own if references(term) & outer]
        return (Filter(rows, kept) if kept is not None else rows), [*terms, *linked]
    if isinstance(plan, Join) and plan.kind == "inner" and not plan.process_time and not plan.nearest:
        left, right = raised(plan.left, outer), raised(plan.right, outer)
        if left is None or right is None:
            return None
        own = conjuncts(plan.on)
        kept = conjunction([term for term in own if not references(term) & outer])
        linked = [term for term in own if references(term) & outer]
        joined = replace(plan, left=left[0], right=right[0], on=kept, single=plan.single and not right[1])
        return joined, [*left[1], *right[1], *linked]
    return None


def raised_project(plan: Project, outer: frozenset[str]) -> Raised | None:
    """Pass on what the conditions read."""
    below = raised(plan.input, outer)
    if below is None or any(references(e) & outer for _, e in plan.items):
        return None
    rows, terms = below
    needed = frozenset[str]().union(*(references(term) for term in terms)) & names(rows)
    known = {attribute.name for attribute, _ in plan.items}
    more = [(a, column(a)) for a in rows.columns if a.name in needed and a.name not in known]
    return replace(plan, input=rows, items=(*as_now(plan.items, rows), *more)), terms


def as_now(items: Iterable[Item], rows: Plan) -> list[Item]:
    """Items that say of a column that they pass on whether it may be NULL now that a condition on it is gone."""
    known = {attribute.name: attribute.nullable for attribute in rows.columns}
    return [(replace(a, nullable=known.get(plain(e) or "", a.nullable)), e) for a, e in items]
