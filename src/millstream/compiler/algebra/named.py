"""Names for what a subquery compares with: an expression over the outer row alone is as good as a column of it."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from millstream.compiler.algebra.expression import (
    Names,
    column,
    conjunction,
    conjuncts,
    is_equality,
    plain,
    references,
)
from millstream.compiler.algebra.operators import Filter, Join, Plan, inputs, names, with_inputs

Computed = dict[str, exp.Expr]  # name → expression over the outer row


def with_names(plan: Plan, outer: frozenset[str], labels: Names, computed: Computed) -> Plan:
    """Return a plan that compares with names in place of outer expressions; `computed` gains what they stand for."""
    plan = with_inputs(plan, tuple(with_names(child, outer, labels, computed) for child in inputs(plan)))
    if not isinstance(plan, (Filter, Join)):
        return plan
    known = frozenset[str]().union(*(names(child) for child in inputs(plan)))
    condition = plan.predicate if isinstance(plan, Filter) else plan.on
    terms = [with_name(term, known, outer, labels, computed) for term in conjuncts(condition)]
    predicate = conjunction(terms)
    if isinstance(plan, Filter):
        assert predicate is not None
        return replace(plan, predicate=predicate)
    return replace(plan, on=predicate)


def with_name(
    term: exp.Expr, known: frozenset[str], outer: frozenset[str], labels: Names, computed: Computed
) -> exp.Expr:
    """Name the outer side of an equality."""
    if not is_equality(term):
        return term
    for own, other in (("this", "expression"), ("expression", "this")):
        inside, value = references(term.args[own]), term.args[other]
        read = references(value)
        if plain(value) is None and inside and inside <= known and read & outer and not read & known:
            name = next((n for n, e in computed.items() if e == value), None) or labels.fresh("compared")
            computed.setdefault(name, value.copy())
            changed = term.copy()
            changed.set(other, column(name))
            return changed
    return term
